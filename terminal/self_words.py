"""What the holder's own page says, and the official words for what stands on a card.

Labels of files and elements come from the card's profile, in Chinese; here is their
English. Codes have the words of the documents that define them: 人社信息函〔2012〕37号
for the elements of the card, GB 3304 for 民族, GB/T 2261.1 for 性别.
"""

# ruff: noqa: E501 - one row per word, so that a translator reads it as a table

from __future__ import annotations

from collections.abc import Mapping

from settlement.claim import Assistance, Category, Insurance
from terminal.words import Word

TABLE: Mapping[str, Word] = {
    "self_title": Word("我的社保卡", "My social security card"),
    "to_counter": Word("返回收费页面", "Back to the counter"),
    "steps": Word("办理步骤", "Steps"),
    "step_card": Word("插卡", "Insert the card"),
    "step_pin": Word("输入密码", "Enter the PIN"),
    "step_read": Word("查看信息", "See the data"),
    "self_no_reader": Word("读卡器暂时不可用", "The reader is not available"),
    "self_empty": Word("请插入社保卡", "Insert your card"),
    "self_reading": Word("正在读卡，请不要拔卡", "Reading, please leave the card in"),
    "self_ready": Word("请输入社保卡密码", "Enter your card's PIN"),
    "self_refused": Word("此卡不能在本机查询", "This card cannot be used here"),
    "self_done": Word("查询已结束，请取走卡片", "Finished: please take your card"),
    "tell_no_reader": Word(
        "请联系工作人员检查读卡器。", "Please ask the staff to look at the reader."
    ),
    "tell_empty": Word(
        "芯片朝上插入读卡器。查询期间请不要拔卡；取卡后屏幕内容立即清除。",
        "Chip up, and leave it in. What is shown is cleared as soon as you take it out.",
    ),
    "tell_reading": Word("通常只需一两秒。", "This takes a second or two."),
    "tell_ready": Word(
        "密码只用于确认持卡人本人，由卡片核对，本机不保存。",
        "The card itself checks the PIN to know that it is you; nothing is kept here.",
    ),
    "tell_refused": Word(
        "请取出卡片，到社保卡服务窗口咨询。",
        "Take the card out and ask at the card service.",
    ),
    "tell_done": Word(
        "屏幕内容已清除。需要再次查询时，请重新插卡。",
        "The screen has been cleared. Insert the card again to start anew.",
    ),
    "self_pin": Word("密码（4 至 12 位数字）", "PIN (4 to 12 digits)"),
    "keypad": Word("数字键盘", "Number keys"),
    "digit_back": Word("退格", "Delete"),
    "digit_clear": Word("清空", "Clear"),
    "open_record": Word("确认并查看", "Confirm and show"),
    "open_at_pad": Word("在密码键盘上输入密码", "Enter the PIN on the PIN pad"),
    "pad_hint": Word(
        "按下后请在密码键盘上输入密码，并按确认键。",
        "Press it, then enter the PIN on the pad and confirm there.",
    ),
    "last_try": Word(
        "密码只剩最后一次机会，再错将锁定。我确认记得密码。",
        "One try is left, and a wrong PIN locks the card. I am sure of my PIN.",
    ),
    "show_whole": Word("显示完整号码", "Show whole numbers"),
    "hide_whole": Word("隐藏完整号码", "Hide whole numbers"),
    "end_now": Word("结束并清除", "Finish and clear"),
    "idle_notice": Word(
        "{seconds} 秒无操作自动清除。", "Cleared after {seconds} seconds without a key."
    ),
    "cleared": Word(
        "屏幕内容已清除，查询已结束。", "The screen was cleared. Your visit has ended."
    ),
    "opening": Word("正在读取您的信息", "Reading your data"),
    "record_of": Word("{name} 的社保卡信息", "Card of {name}"),
    "chapters": Word("信息目录", "Contents"),
    "chapter_basic": Word("基本信息", "Basic data"),
    "chapter_medical": Word("医疗保险", "Medical insurance"),
    "chapter_pension": Word("养老保险", "Pension insurance"),
    "chapter_unemployment": Word("失业保险", "Unemployment insurance"),
    "chapter_maternity": Word("生育保险", "Maternity insurance"),
    "chapter_injury": Word("工伤保险", "Work injury insurance"),
    "chapter_centre": Word("医保中心今日信息", "What the centre knows today"),
    "from_card": Word(
        "以下为卡内记录，是发卡或最近一次写卡时的情况。",
        "This stands on the card, as it was when the card was last written.",
    ),
    "from_centre": Word(
        "以下由医保中心即时答复，结算以此为准。",
        "The centre answered this just now; settlements go by it.",
    ),
    "file_absent": Word("此卡没有这一项内容。", "This card does not have this part."),
    "file_locked": Word(
        "读取这一项需要本机没有的密钥，请到社保服务窗口查询。",
        "Reading this needs a key that is not here. Ask at the service.",
    ),
    "file_unreadable": Word(
        "这一项未能读出，其余内容不受影响。如需处理请到社保卡服务窗口。",
        "This part does not read; the rest is not affected. The card service can help.",
    ),
    "file_blank": Word("卡内未写入内容。", "Nothing has been written on the card."),
    "empty_value": Word("未填写", "not filled in"),
    "photo_of_holder": Word("持卡人照片", "Photo of the holder"),
    "no_photo": Word("卡内没有照片。", "There is no photo on the card."),
    "data_item": Word("数据项 {tag}", "Data item {tag}"),
    "item_hint": Word(
        "“数据项”后为国家标准中的编号，公开资料未载明其名称。",
        "A data item is known by its number in the national standard only.",
    ),
    "insured_at": Word("参保地区划", "Insured in region"),
    "coverage_state": Word("参保状态", "State"),
    "coverage_active": Word("正常参保", "active"),
    "coverage_suspended": Word("暂停参保", "suspended"),
    "person_category": Word("人员类别", "Person category"),
    "civil_servant": Word("公务员", "Civil servant"),
    "yes": Word("是", "yes"),
    "no": Word("否", "no"),
    "account_balance": Word("个人账户余额（元）", "Account balance (CNY)"),
    "assistance": Word("医疗救助身份", "Medical aid"),
    "no_assistance": Word("无", "none"),
    "coverages": Word("参保情况", "Coverage"),
    "year_title": Word(
        "{year} 年累计（{insurance}）", "Accumulated in {year} ({insurance})"
    ),
    "amounts_in_yuan": Word("金额单位：元", "Amounts in CNY"),
    "centre_missing": Word(
        "医保中心信息暂时查询不到：", "The centre could not tell all of it: "
    ),
    "no_coverage": Word("医保中心没有参保记录。", "The centre knows of no coverage."),
}

INSURANCES: Mapping[Insurance, Word] = {
    Insurance.EMPLOYEE: Word("职工基本医疗保险", "Employees' basic medical insurance"),
    Insurance.RESIDENT: Word(
        "城乡居民基本医疗保险", "Residents' basic medical insurance"
    ),
}

CATEGORIES: Mapping[Category, Word] = {
    Category.ACTIVE: Word("在职", "in work"),
    Category.RETIRED: Word("退休", "retired"),
    Category.FLEXIBLE: Word("灵活就业", "flexible worker"),
    Category.UNEMPLOYED: Word("领取失业金", "unemployed on benefit"),
    Category.RESIDENT: Word("成年居民", "adult resident"),
    Category.STUDENT: Word("学生儿童", "student or child"),
    Category.NEWBORN: Word("新生儿", "newborn"),
}

ASSISTANCES: Mapping[Assistance, Word] = {
    Assistance.EXTREME_POVERTY: Word("特困人员", "extreme poverty"),
    Assistance.LOW_INCOME_ALLOWANCE: Word("低保对象", "low income allowance"),
    Assistance.REGISTERED_POOR: Word("建档立卡", "registered poor"),
    Assistance.ORPHAN: Word("孤儿", "orphan"),
    Assistance.RETURNED_POOR: Word("返贫致贫人口", "fallen back into poverty"),
    Assistance.LOW_INCOME_MARGIN: Word("低保边缘", "margin of low income"),
    Assistance.MONITORED: Word("防返贫监测对象", "monitored against poverty"),
    Assistance.EXPENSE_POOR: Word("支出型困难、因病致贫", "poor by medical expense"),
    Assistance.LOW_INCOME: Word("低收入家庭", "low income"),
}

#: 累计信息 (5206), by the fields of settlement.claim.Accumulators.
ACCUMULATORS: Mapping[str, Word] = {
    "admissions": Word("本年度住院次数", "Admissions this year"),
    "deductible_paid": Word("起付线累计", "Deductible paid"),
    "scope_entered": Word("符合政策范围金额累计", "Within the policy's scope"),
    "pooled_inpatient_paid": Word("统筹基金住院支付累计", "Pooled fund, inpatient"),
    "pooled_outpatient_paid": Word("统筹基金门诊支付累计", "Pooled fund, outpatient"),
    "accident_paid": Word("意外伤害支付累计", "Paid for accidents"),
    "compliant_own_pay": Word("合规个人负担累计", "Own pay within the rules"),
    "critical_illness_paid": Word("大病保险支付累计", "Critical illness insurance"),
    "medical_aid_paid": Word("医疗救助支付累计", "Medical aid"),
}

#: Titles of the files that are shown: of those a card's generation lacks, too.
FILES: Mapping[str, Word] = {
    "SSSEEF05": Word("发卡机构数据", "Issue of the card"),
    "SSSEEF06": Word("持卡人基本信息", "Holder"),
    "SSSEEF08": Word("照片", "Photo"),
    "DF04EF05": Word("医疗保险基本信息", "Medical insurance"),
    "DF04EF08": Word("医疗交易明细", "Medical transactions"),
    "DF04EF15": Word("特殊医疗结算记录", "Special medical settlements"),
    "DF03EF07": Word("养老保险", "Pension insurance"),
    "DF03EF05": Word("失业保险", "Unemployment insurance"),
    "DF03EF16": Word("生育", "Maternity"),
    "DF03EF15": Word("工伤", "Work injury"),
    "DF03EF17": Word("工伤认定", "Finding of work injury"),
    "DF03EF06": Word("劳动能力鉴定", "Appraisal of working ability"),
}

#: The elements' labels in English, by their names in the profiles.
ELEMENTS_EN: Mapping[str, str] = {
    "card_serial": "Card identification",
    "card_class": "Class of card",
    "spec_version": "Specification",
    "issuer": "Initialising body",
    "issued_on": "Issued on",
    "valid_until": "Valid until",
    "card_no": "Card number",
    "person_cert_no": "Social security number",
    "name": "Name",
    "name_more": "Name, continued",
    "sex": "Sex",
    "nation": "Ethnic group",
    "birthplace": "Place of birth",
    "birth_date": "Date of birth",
    "insurance_kind": "Kind of insurance and marks",
    "disability_grade": "Grade of disability",
    "pension_kind": "Kind of insurance",
    "pension_region": "Insured in region",
    "insured_region": "Insured in region",
    "health_record_no": "Health record number",
    "insured_class": "Class of insured person",
    "account_opened_on": "Account opened on",
    "account_no": "Account number",
    "medical_certificate_no": "Medical certificate number",
    "institution_1": "Designated institution 1",
    "institution_2": "Designated institution 2",
    "institution_3": "Designated institution 3",
    "injury_institution_1": "Institution for work injury 1",
    "injury_institution_2": "Institution for work injury 2",
    "injury_institution_3": "Institution for work injury 3",
    "maternity_institution_1": "Institution for maternity 1",
    "maternity_institution_2": "Institution for maternity 2",
    "card_use": "Use of the card",
    "sequence": "Number",
    "kind": "Kind",
    "terminal": "Terminal",
    "at": "Time",
    "account_fen": "From account (CNY)",
    "self_pay_fen": "Own pay (CNY)",
    "pooled_fen": "Pooled fund (CNY)",
}

#: 民族 (GB 3304), from 01.
_NATIONS = (
    "汉族",
    "蒙古族",
    "回族",
    "藏族",
    "维吾尔族",
    "苗族",
    "彝族",
    "壮族",
    "布依族",
    "朝鲜族",
    "满族",
    "侗族",
    "瑶族",
    "白族",
    "土家族",
    "哈尼族",
    "哈萨克族",
    "傣族",
    "黎族",
    "傈僳族",
    "佤族",
    "畲族",
    "高山族",
    "拉祜族",
    "水族",
    "东乡族",
    "纳西族",
    "景颇族",
    "柯尔克孜族",
    "土族",
    "达斡尔族",
    "仫佬族",
    "羌族",
    "布朗族",
    "撒拉族",
    "毛南族",
    "仡佬族",
    "锡伯族",
    "阿昌族",
    "普米族",
    "塔吉克族",
    "怒族",
    "乌孜别克族",
    "俄罗斯族",
    "鄂温克族",
    "德昂族",
    "保安族",
    "裕固族",
    "京族",
    "塔塔尔族",
    "独龙族",
    "鄂伦春族",
    "赫哲族",
    "门巴族",
    "珞巴族",
    "基诺族",
)

#: Codes of an element, by file and element.
CODES: Mapping[tuple[str, str], Mapping[str, Word]] = {
    ("SSSEEF05", "card_class"): {
        "1": Word("学龄前", "before school age"),
        "2": Word("学生", "student"),
        "3": Word("成年", "adult"),
        "4": Word("老年", "old age"),
    },
    ("SSSEEF06", "sex"): {
        "1": Word("男", "male"),
        "2": Word("女", "female"),
        "9": Word("未说明", "unstated"),
    },
    ("SSSEEF06", "nation"): {
        f"{number:02d}": Word(name, name) for number, name in enumerate(_NATIONS, 1)
    },
    ("DF04EF05", "insured_class"): {
        "11": Word("在职", "employed"),
        "21": Word("退休", "retired"),
        "22": Word("退休异地安置", "retired, living elsewhere"),
        "31": Word("离休", "retired veteran cadre"),
        "32": Word("老红军", "Red Army veteran"),
        "33": Word("二等乙级以上伤残军人", "disabled serviceman, class II B or above"),
        "34": Word("医疗照顾人员", "entitled to special care"),
        "91": Word("其他", "other"),
    },
    ("DF04EF05", "card_use"): {
        "1": Word("联网", "online"),
        "2": Word("脱网", "offline"),
    },
    ("DF04EF08", "kind"): {
        "1": Word("划入", "credit"),
        "2": Word("结算", "settlement"),
    },
    ("DF04EF15", "kind"): {
        "1": Word("工伤", "work injury"),
        "2": Word("生育", "maternity"),
        "3": Word("医疗救助", "medical aid"),
        "9": Word("其他", "other"),
    },
}

#: 医疗保险险种类型 (tag 81): the first three characters.
INSURANCE_KINDS: Mapping[str, Word] = {
    "310": Word("职工基本医疗保险", "employees' basic medical insurance"),
    "340": Word("离休人员医疗保障", "veteran cadres' medical care"),
    "360": Word("老红军医疗保障", "Red Army veterans' medical care"),
    "380": Word("新型农村合作医疗", "rural cooperative medical care"),
    "390": Word("城乡居民基本医疗保险", "residents' basic medical insurance"),
    "391": Word("城镇居民基本医疗保险", "urban residents' basic medical insurance"),
}
#: 标识 (tag 81): characters four to eight, each 0 or 1.
INSURANCE_MARKS: tuple[Word, ...] = (
    Word("异地就诊审批", "Approved for care elsewhere"),
    Word("门诊统筹", "Outpatient pooling"),
    Word("门诊慢特病", "Outpatient chronic and special illness"),
    Word("医疗救助", "Medical aid"),
    Word("优抚补助", "Preferential treatment allowance"),
)
