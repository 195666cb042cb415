"""What a site sets up, checked once at start; files in, typed values out.

settings    the terminal's settings: a TOML file and the environment
card_settings  those of reader, keys and PIN
credentials  which credentials are taken on which days, and by what
taker       one setting after the other: environment, file, default
listed_cards   reported cards: CSV in, reader.listed out
packs       policy packs: TOML in, settlement.policy out
pack_whole  no gap, no overlap: exactly one wording for every bill
circumstances  what a person or a visit is besides the ordinary, as TOML keys
exam        a pack's golden cases: TOML in, what the pack got wrong out
pack_lint   suspicious shapes: warned about, never rewritten
mutation    would the exam notice one wrong value: each changed, one a time
pack_archive   a pack as it travels: one signed file
pack_store  the installed packs, every version kept
packs_in_force  the newest of them, taken up while the daemon runs
catalogue   the catalogue of items: TOML or a store in, settlement.catalogue out
catalogue_rows   catalogue files of every kind, read into rows or refused by cell
catalogue_store  the catalogue in one SQLite file: imported whole, found by index
toml_table  a TOML table that refuses an unknown key by name
provinces   how a province's centre differs: TOML in, settlement.centre.profile out
card_profiles  card profiles and the demonstration's deck: TOML in, reader.profile out
centre_seed    the demonstration's persons for the reference centre
errors      what can be wrong with what a site set up
packs/      the packs, one folder per region, each with its SOURCE.md
catalogue/  sample.toml: synthetic items
bills/      three sample bills
cards/      card profiles: file layouts and keys as data
provinces/  the provinces: dialect, reversible list, words, as data with sources

Knows the types of settlement and reader, never the daemon.
"""
