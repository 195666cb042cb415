"""Who holds the card keys at a site; each is a ``reader.keys.KeyProvider``.

psam      a PSAM in a second slot
pkcs11    an HSM through PKCS#11; imported only when chosen
pkcs11_token  its token, found and logged in to
two_step  the centre's key service: Step1, answer, Step2
chain     one after the other, as the driver's rule has it
"""
