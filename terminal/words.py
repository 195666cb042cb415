"""What the screens and the receipt say, Chinese first, English beside it.

The one table of the counter's own words. Sentences about errors and refusals live
with the errors; the names of rules and the arithmetic come from ``explain``.
Amounts carry the official label of the national interface.
"""

# ruff: noqa: E501 - one row per word, so that a translator reads it as a table

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeGuard

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")


class Word(NamedTuple):
    """One word of the counter in both languages."""

    zh: str
    en: str


TABLE: Mapping[str, Word] = {
    # the counter at large
    "title": Word("医保结算终端", "Settlement terminal"),
    "skip": Word("跳到主要内容", "Skip to the main content"),
    "demonstration": Word("演示模式", "Demonstration"),
    "demonstration_long": Word(
        "卡片、账单、医保中心均为模拟，不产生真实费用",
        "Cards, bills and the centre are simulated; no money is real",
    ),
    "unverified": Word(
        "政策数据未经核实（样例），不可用于真实结算",
        "Sample policy figures, not verified: not for real settlements",
    ),
    "unverified_short": Word("样例政策·未核实", "Sample policy, unverified"),
    "language_name": Word("English", "中文"),
    "language_hint": Word("Switch to English", "切换为中文"),
    "nav_main": Word("主导航", "Main navigation"),
    "nav_counter": Word("收费", "Counter"),
    "nav_today": Word("今日结算", "Today"),
    "nav_open": Word("待处理", "Open items"),
    "nav_help": Word("帮助", "Help"),
    "nav_self": Word("自助查询", "Self-service"),
    "keys": Word("快捷键", "Keys"),
    "yuan": Word("元", "CNY"),
    "no": Word("否", "no"),
    "close": Word("关闭", "Close"),
    "separator": Word("：", ": "),
    "back_to_counter": Word("返回收费", "Back to the counter"),
    "script_needed": Word(
        "本页需要启用 JavaScript。请在浏览器设置中为本机地址启用后刷新。",
        "This page needs JavaScript. Allow it for this address and reload.",
    ),
    "offline": Word(
        "与终端程序的连接已断开，正在重连。屏幕上的状态可能已过时。",
        "Connection to the terminal program lost, reconnecting. What is shown may be old.",
    ),
    "failed": Word(
        "终端程序没有应答，未做任何处理。请稍候重试；若仍如此，请联系管理员。",
        "The terminal program did not answer. Try again; if it stays so, call the administrator.",
    ),
    # status lights
    "lights": Word("设备与连接状态", "Status of devices and connections"),
    "light_reader": Word("读卡器", "Reader"),
    "light_journal": Word("账本", "Journal"),
    "light_pack": Word("政策", "Policy"),
    "light_centre": Word("医保中心", "Centre"),
    "light_clock": Word("时钟", "Clock"),
    "light_terminal": Word("本机", "This terminal"),
    "light_ok": Word("正常", "in order"),
    "light_drifts": Word("有偏差", "drifts"),
    "light_disk": Word("磁盘", "Disk"),
    "light_low": Word("不足", "low"),
    "light_bad": Word("异常", "not in order"),
    "do_reader": Word(
        "读卡器不可用：请检查读卡器接线，重新插拔一次。",
        "The reader is not available: check its cable, plug it in again.",
    ),
    "do_journal": Word(
        "账本不可写：请停止结算，联系管理员检查磁盘。",
        "The journal cannot be written: stop settling, have the disk checked.",
    ),
    "do_pack": Word(
        "今天没有生效的政策：请联系管理员安装政策包。",
        "No policy is in force today: have the policy pack installed.",
    ),
    "do_centre": Word(
        "连不上医保中心：暂停结算，可先登记，稍后再试。",
        "The centre cannot be reached: hold settlements, try again shortly.",
    ),
    "adopt": Word("补登中心撤销", "Take the centre's cancellation over"),
    "adopt_ask": Word(
        "中心为什么撤销了这笔？请写明原因，它会记入账本。",
        "Why was it cancelled at the centre? The reason goes into the journal.",
    ),
    "do_clock": Word(
        "本机时钟与医保中心相差超过五分钟，已停止结算：请联系管理员校准本机时间。",
        "This clock is more than five minutes off the centre's: settling has stopped, "
        "have it set.",
    ),
    "do_disk": Word(
        "磁盘空间不足，已停止结算：请联系管理员清理磁盘（不要动账本）。",
        "The disk is nearly full: settling has stopped, have room made on it.",
    ),
    "warn_disk": Word(
        "磁盘空间不多了：请联系管理员尽快清理，暂不影响结算。",
        "The disk has little room left: have room made on it.",
    ),
    "do_terminal": Word(
        "中心记得的本机账本与现在的不同（可能是恢复或复制的终端），已停止结算：请联系管理员。",
        "The centre knows this terminal by another journal (restored or copied): "
        "settling has stopped, call the administrator.",
    ),
    "warn_clock": Word(
        "本机时钟与医保中心相差超过三十秒：请联系管理员校准，暂不影响结算。",
        "This clock is more than thirty seconds off the centre's: have it set.",
    ),
    # the card
    "card": Word("社保卡", "Card"),
    "card_choose": Word("演示卡", "Demonstration card"),
    "card_insert": Word("插卡并读卡", "Insert and read"),
    "card_read": Word("读卡", "Read the card"),
    "card_remove": Word("取卡", "Take out"),
    "card_no_reader": Word("无读卡器", "No reader"),
    "card_empty": Word("请插卡", "Insert a card"),
    "card_reading": Word("正在读卡", "Reading"),
    "card_ready": Word("已读卡，待验密码", "Read, PIN next"),
    "card_verified": Word("密码已验证", "PIN verified"),
    "card_refused": Word("此卡不能使用", "Card refused"),
    "card_done": Word("请取走卡片", "Take the card"),
    "do_card_empty": Word(
        "请将社保卡芯片朝上插入读卡器。", "Insert the card, chip up."
    ),
    "do_card_done": Word(
        "本次业务已结束，请将卡片交还持卡人。",
        "The session is over: hand the card back.",
    ),
    "holder": Word("姓名", "Name"),
    "cert_no": Word("证件号码", "ID number"),
    "card_no": Word("社保卡号", "Card number"),
    "sex": Word("性别", "Sex"),
    "sex_male": Word("男", "male"),
    "sex_female": Word("女", "female"),
    "sex_unstated": Word("未说明", "unstated"),
    "birth_year": Word("出生年份", "Born"),
    "card_kind": Word("卡规范", "Card type"),
    "credential": Word("就诊凭证", "Credential"),
    "credential_verified": Word("凭证已核验", "Credential verified"),
    "credential_social_card": Word("社会保障卡", "Social security card"),
    "credential_e_voucher": Word("医保电子凭证", "Electronic voucher"),
    "credential_id_card": Word("居民身份证", "Identity card"),
    "scan": Word("扫电子凭证", "Scan a voucher"),
    "id_card_read": Word("读身份证", "Read identity card"),
    "demo_voucher": Word("出示电子凭证", "Show a voucher"),
    "demo_id_card": Word("出示身份证", "Show identity card"),
    "valid_until": Word("有效期至", "Valid until"),
    "reader": Word("读卡器", "Reader"),
    # the bill
    "bill": Word("账单", "Bill"),
    "bill_no": Word("单据号", "Bill number"),
    "bill_kind": Word("就诊类别", "Kind of visit"),
    "kind_outpatient": Word("普通门诊", "Outpatient"),
    "kind_inpatient": Word("普通住院", "Inpatient"),
    "kind_pharmacy": Word("药店购药", "Pharmacy"),
    "kind_chronic": Word("门诊慢性病", "Chronic disease"),
    "kind_special": Word("门诊特殊病", "Special disease"),
    "kind_dual_channel": Word("双通道药品", "Dual-channel drug"),
    "kind_maternity_check": Word("产前检查", "Prenatal check"),
    "kind_birth_natural": Word("住院分娩（顺产）", "Birth, natural"),
    "kind_birth_caesarean": Word("住院分娩（剖宫产）", "Birth, caesarean"),
    "bill_samples": Word("样例账单", "Sample bills"),
    "bill_pushed": Word("收费软件送来", "From the POS"),
    "bill_item": Word("项目（编码或名称）", "Item (code or name)"),
    "bill_name": Word("项目名称", "Item"),
    "bill_quantity": Word("数量", "Quantity"),
    "bill_price": Word("单价（元）", "Unit price"),
    "bill_amount": Word("金额（元）", "Amount"),
    "bill_days": Word("天数", "Days"),
    "bill_days_of": Word("{n} 天用量", "for {n} days"),
    "bill_days_wrong": Word(
        "天数应为 1 至 99 的整数，不限天数的项目可不填。",
        "Days are a whole number from 1 to 99; leave it empty where none are asked.",
    ),
    "bill_add": Word("添加一行", "Add line"),
    "bill_clear": Word("清空", "Clear"),
    "bill_remove": Word("删除本行", "Remove this line"),
    "bill_empty": Word(
        "还没有账单。按 F4 载入样例账单，或在上方录入项目。",
        "No bill yet. Press F4 for a sample bill, or type the items above.",
    ),
    "bill_lines": Word("明细", "Lines"),
    "bill_quote": Word("试算", "Quote"),
    "item_class": Word("等级", "Class"),
    "class_A": Word("甲类", "A"),
    "class_B": Word("乙类", "B"),
    "class_C": Word("丙类", "C"),
    "catalogue_sample": Word("项目目录为样例", "Sample catalogue"),
    "bill_line_wrong": Word(
        "请填写项目、数量和单价，例如数量 2、单价 15.50。",
        "Give item, quantity and unit price, for example 2 and 15.50.",
    ),
    "bill_item_unknown": Word(
        "目录中没有这个项目，请从列表中选择。",
        "The catalogue has no such item: choose one from the list.",
    ),
    "bill_item_many": Word(
        "有多个项目与此相符，请从列表中选择一个。",
        "Several items match: choose one from the list.",
    ),
    # the split
    "split": Word("费用分担", "Who pays what"),
    "pays_now": Word("现在应付", "Patient pays now"),
    "capitals": Word("大写", "In words"),
    "split_bar": Word("费用分担比例图", "Shares of the bill"),
    "split_by": Word("谁付", "Payer"),
    "split_of": Word("费用构成", "What the bill consists of"),
    "split_payers": Word("由谁支付", "Who pays"),
    "amount": Word("金额（元）", "Amount"),
    "share": Word("占比", "Share"),
    "why": Word("为什么", "Why"),
    "why_line": Word("第 {n} 行", "line {n}"),
    "list_comma": Word("，", ", "),
    "rule_arithmetic": Word("算式", "Arithmetic"),
    "rule_clause": Word("依据", "Source"),
    "rule_grade": Word("来源等级 {grade}", "grade {grade}"),
    "rule_since": Word("自 {day} 起", "since {day}"),
    "pack": Word("政策包", "Policy pack"),
    "pack_version": Word("第 {n} 版", "version {n}"),
    "pack_verified": Word("已核实", "verified"),
    "source_centre": Word("以医保中心预结算为准", "Presettled by the centre"),
    "source_local": Word(
        "本地试算，医保中心未答复", "Local figures; the centre has not answered"
    ),
    "agree": Word("本地试算与中心一致", "Our figures and the centre's agree"),
    "differ": Word(
        "本地试算与中心不一致，以中心为准，请核对",
        "Our figures and the centre's differ; the centre's count",
    ),
    "differ_ours": Word("本地", "Ours"),
    "suspects": Word(
        "可能原因（已逐一重算，能完全解释差异）",
        "It would be this (worked out again, explains every difference)",
    ),
    "suspects_partly": Word(
        "可能原因（已逐一重算，只能解释一部分）",
        "It may be this (worked out again, explains a part)",
    ),
    "suspects_none": Word(
        "余额、项目等级、限价、累计均已试算，不能解释差异，请联系经办机构。",
        "Balance, class, price limit and the year so far were tried; none explains it. Ask the bureau.",
    ),
    "differ_centres": Word("中心", "Centre"),
    "drift": Word(
        "实际结算与告知的不同，以实际结算为准",
        "Booked otherwise than told; what was booked counts",
    ),
    "drift_short": Word("与告知不同", "not as told"),
    "drift_told": Word("告知", "Told"),
    "drift_booked": Word("实际结算", "Booked"),
    "not_settleable": Word(
        "只试算，不能在本窗口结算", "Shown only, not settled at this window"
    ),
    "split_empty": Word(
        "插卡并载入账单后，这里显示统筹、账户和现金各付多少，以及原因。",
        "With a card and a bill, this shows what fund, account and patient pay, and why.",
    ),
    "refused_title": Word("不能报销", "No benefit"),
    # short names on the bar
    "short_pooled_fund": Word("统筹", "Pool"),
    "short_civil_servant_fund": Word("公务员补助", "Civil service"),
    "short_employer_fund": Word("企业补充", "Employer"),
    "short_critical_illness_fund": Word("大病保险", "Critical illness"),
    "short_large_claim_fund": Word("大额补助", "Large claims"),
    "short_medical_aid": Word("医疗救助", "Medical aid"),
    "short_other_fund": Word("其他", "Other"),
    "short_hospital": Word("医院负担", "Hospital"),
    "short_family_account": Word("家庭共济", "Family"),
    "short_account": Word("个人账户", "Account"),
    "short_cash": Word("个人现金", "Cash"),
    # official names of the amounts
    "total_fee": Word("医疗费总额", "Total fee"),
    "uncovered": Word("全自费金额", "Not covered"),
    "over_price_limit": Word("超限价自费费用", "Above the price limit"),
    "upfront_share": Word("先行自付金额", "Upfront share"),
    "in_scope": Word("符合政策范围金额", "Within policy scope"),
    "deductible": Word("实际支付起付线", "Deductible"),
    "pooled_fund": Word("基本医疗保险统筹基金支出", "Pooled fund"),
    "pooled_ratio_bp": Word("统筹基金支付比例", "Pooled fund ratio"),
    "civil_servant_fund": Word("公务员医疗补助资金支出", "Civil servants' fund"),
    "employer_fund": Word("企业补充医疗保险基金支出", "Employer's supplementary fund"),
    "critical_illness_fund": Word("居民大病保险资金支出", "Critical illness fund"),
    "large_claim_fund": Word("职工大额医疗费用补助基金支出", "Large claims fund"),
    "medical_aid": Word("医疗救助基金支出", "Medical aid fund"),
    "other_fund": Word("其他支出", "Other funds"),
    "fund_total": Word("基金支付总额", "Funds in total"),
    "person_total": Word("个人负担总金额", "Person in total"),
    "account_pay": Word("个人账户支出", "Personal account"),
    "family_account_pay": Word("个人账户共济支付金额", "Family account"),
    "cash_pay": Word("个人现金支出", "Cash"),
    "hospital_share": Word("医院负担金额", "Hospital"),
    "account_balance": Word("余额", "Account balance"),
    # the PIN
    "pin": Word("密码", "PIN"),
    "pin_enter": Word("请持卡人输入密码", "The holder enters the PIN"),
    "pin_hint": Word(
        "输入后按回车；密码不显示、不保存",
        "Then press Enter; the PIN is neither shown nor kept",
    ),
    "pin_verify": Word("验证密码", "Verify"),
    "pin_tries": Word("还可试 {n} 次", "Tries left: {n}"),
    "pin_who": Word("付款人", "Payer"),
    "pin_where": Word("收款医院", "Paid to"),
    "pin_what": Word("应付金额", "Amount"),
    "pin_pad": Word(
        "请持卡人在密码键盘上输入密码。", "The holder enters the PIN on the PIN pad."
    ),
    "pin_pad_start": Word("开始输入密码", "Start the PIN entry"),
    "pin_pad_waiting": Word(
        "正在等待持卡人在密码键盘上输入，请勿拔卡。",
        "Waiting for the holder at the PIN pad. Leave the card in.",
    ),
    "last_try": Word("只剩最后一次机会", "One try is left"),
    "last_try_told": Word(
        "再错一次，社保卡密码就会锁定，持卡人须到服务网点解锁。"
        "请先问持卡人是否确实记得密码。",
        "One more wrong PIN locks the card, and the holder must have it unblocked "
        "elsewhere. Ask the holder first whether he is sure of his PIN.",
    ),
    "last_try_yes": Word("确认使用最后一次机会", "Yes, use the last try"),
    "last_try_no": Word("先不输入", "Not now"),
    # settling
    "settle": Word("结算", "Settle"),
    "settling": Word("正在结算", "Settling"),
    "settling_hint": Word(
        "已发送，等待医保中心答复。请勿收款。",
        "Sent, waiting for the centre. Take no money yet.",
    ),
    "unknown_age": Word("已等待", "Waiting for"),
    "see_open": Word("查看待处理", "See open items"),
    "next_patient": Word("下一位", "Next patient"),
    "settled_take": Word("请收取现金", "Take in cash"),
    "refresh": Word("刷新状态", "Refresh"),
    "receipt_view_slip": Word("查看凭条", "See the slip"),
    "print": Word("打印收据", "Print receipt"),
    "print_slip": Word("打印凭条", "Print slip"),
    "grade_assumption": Word("无明文，系假定", "no text found, assumed"),
    "receipt_view": Word("查看收据", "See the receipt"),
    # states
    "state": Word("状态", "State"),
    "state_intent": Word("准备发送", "About to be sent"),
    "state_sending": Word("正在发送", "Being sent"),
    "state_settled": Word("已结算", "Settled"),
    "state_rejected": Word("中心未受理", "Rejected"),
    "state_unknown": Word("结果未知", "Unknown"),
    "state_reversing": Word("正在冲正", "Being reversed"),
    "state_reversed": Word("已冲正", "Reversed"),
    "state_cancelling": Word("正在撤销", "Being cancelled"),
    "state_cancelled": Word("已撤销", "Cancelled"),
    "state_quarantined": Word("需人工处理", "Needs a person"),
    # lists
    "today_title": Word("今日结算", "Settlements of today"),
    "today_empty": Word("今天还没有结算。", "No settlement yet today."),
    "today_count": Word("共 {n} 笔", "{n} in all"),
    "time": Word("时间", "Time"),
    # the end of the day
    "day_totals": Word("今日合计", "Today in total"),
    "day_count": Word("结算笔数", "Settlements"),
    "day_cancelled": Word(
        "另有 {n} 笔已撤销，不计入合计。", "{n} cancelled and in none of these figures."
    ),
    "reconcile": Word("日终对账", "End of day"),
    "reconcile_intro": Word(
        "与医保中心先对总额，不平时逐笔核对。对账不改动任何金额，可以随时重做。",
        "Compares totals with the centre, then row by row where they differ. It changes no amount and can be run again at any time.",
    ),
    "reconcile_date": Word("对账日期", "Day"),
    "reconcile_run": Word("开始对账", "Reconcile"),
    "reconciling": Word(
        "正在与医保中心对账，请稍候。", "Asking the centre, please wait."
    ),
    "reconciled_at": Word("{day} 的账，{time} 核对", "{day}, compared at {time}"),
    "journal_head": Word(
        "账本末条（请随日结单保存，可用来核验账本）",
        "Journal's newest entry (keep it with the day's slip; the journal is proven by it)",
    ),
    "no_difference": Word("零差异", "No differences"),
    "no_difference_long": Word(
        "与医保中心一致，没有未决结算",
        "the centre agrees and nothing is undecided",
    ),
    "totals_agree": Word("总额一致，但尚未结清", "Totals agree, not all decided"),
    "differences_number": Word("{n} 处差异", "{n} differences"),
    "undecided_number": Word("{n} 笔结算未决", "{n} undecided"),
    "undecided_do": Word(
        "有结果后请重新对账。", "reconcile again once they are decided."
    ),
    "day_groups": Word("总额核对", "Totals"),
    "insurance": Word("险种", "Insurance"),
    "insurance_employee": Word("职工基本医疗保险", "Employees"),
    "insurance_resident": Word("城乡居民基本医疗保险", "Residents"),
    "clearing_type": Word("清算类别", "Clearing type"),
    "clearing_office": Word("清算经办机构", "Clearing office"),
    "day_records": Word("笔数（含撤销）", "Records, cancellations too"),
    "day_result": Word("结果", "Result"),
    "day_result_ok": Word("平", "balanced"),
    "day_result_bad": Word("不平", "differs"),
    "differences": Word("逐笔差异", "Differences"),
    "difference": Word("差异", "Difference"),
    "difference_ids": Word("编号", "Numbers"),
    "difference_ours": Word("本机构金额（元）", "Ours"),
    "difference_theirs": Word("中心金额（元）", "Centre's"),
    "difference_none": Word("无", "none"),
    "difference_ours_only": Word(
        "本机构有，中心没有", "We have it, the centre does not"
    ),
    "difference_theirs_only": Word(
        "中心有，本机构没有", "The centre has it, we do not"
    ),
    "difference_amount": Word("金额不一致", "The amounts differ"),
    "difference_status": Word("撤销状态不一致", "Cancelled on one side only"),
    "difference_day": Word("记账日期不同", "Booked on another day"),
    "difference_totals_only": Word(
        "总额不平，逐笔相符", "Totals differ, every row agrees"
    ),
    "next_step": Word("下一步", "Next step"),
    # taking back
    "cancel": Word("撤销结算", "Cancel settlement"),
    "cancel_title": Word("确定撤销这笔结算吗？", "Cancel this settlement?"),
    "cancel_back": Word("撤销后应退现金", "Cash to pay back then"),
    "cancel_warning": Word(
        "整笔撤销，不能恢复。医保中心确认“已撤销”之前，不要退款。",
        "The whole settlement is taken back for good. Pay nothing back before the centre has confirmed it as cancelled.",
    ),
    "cancel_sending": Word(
        "已发送撤销，等待医保中心答复。请勿退款。",
        "Sent, waiting for the centre. Pay nothing back yet.",
    ),
    "cancel_yes": Word("确认撤销", "Yes, cancel it"),
    "cancel_no": Word("不撤销", "No, keep it"),
    "cancelled_pay_back": Word("请退还现金", "Pay back in cash"),
    "cancelled_no_cash": Word("没有现金需要退还。", "There is no cash to pay back."),
    "cancelled_rest": Word(
        "医保中心已确认，基金和个人账户的支付已退回。请收回原收据。",
        "The centre has confirmed: what funds and account paid is returned. Take the receipt back.",
    ),
    "cancel_not_done": Word(
        "没有撤销，原结算有效。请勿退款。",
        "Not cancelled, the settlement stands. Pay nothing back.",
    ),
    "open_title": Word("待处理的结算", "Open items"),
    "look_again": Word("重新核对", "Have it looked up again"),
    "look_again_ask": Word(
        "为什么现在可以重新核对？请写明原因，它会记入账本。",
        "Why can it be decided now? The reason goes into the journal.",
    ),
    "open_empty": Word(
        "没有待处理的结算，一切正常。", "Nothing is open; all is in order."
    ),
    "found_title": Word("今天已查明的结算", "Found out today"),
    "found_number": Word("{n} 笔刚刚查明", "{n} just found out"),
    "found_at": Word("{time} 查明", "found out at {time}"),
    "found_settled": Word(
        "已结算，不收现金。请出具收据。",
        "Settled, there is no cash to take. Give the receipt.",
    ),
    "found_settled_cash": Word(
        "已结算。现金 {cash} 元如还没有收，请收取并出具收据；已收的不要再收。",
        "Settled. If the {cash} yuan in cash were not taken yet, take them and give the receipt; do not take them twice.",
    ),
    "found_rejected": Word(
        "中心没有受理，没有记账。已收的款请退还。",
        "The centre did not accept it, nothing is booked. Pay back what was taken.",
    ),
    "found_reversed": Word(
        "已冲正，没有记账。已收的款请退还；本单可以重新结算。",
        "Reversed, nothing is booked. Pay back what was taken; the bill can be settled anew.",
    ),
    "found_cancelled": Word(
        "已撤销，没有现金需要退还。请收回原收据。",
        "Cancelled, there is no cash to pay back. Take the receipt back.",
    ),
    "found_cancelled_cash": Word(
        "已撤销。现金 {cash} 元如还没有退，请退还并收回原收据。",
        "Cancelled. If the {cash} yuan in cash were not paid back yet, do so and take the receipt back.",
    ),
    "open_intro": Word(
        "这里列出结果尚未确定的结算。系统自动核对，只有同一张单据不能再次结算，其他患者照常办理。",
        "Settlements whose outcome is not certain yet. The terminal looks them up by itself; only the same bill is held, other patients are served as usual.",
    ),
    "age": Word("已等待", "Age"),
    "known": Word("已知情况", "What is known"),
    "to_do": Word("现在怎么办", "What to do"),
    "known_sent": Word(
        "已发送到医保中心，报文号 {msgid}", "Sent to the centre as message {msgid}"
    ),
    "known_not_sent": Word("尚未发送", "Not sent"),
    "known_since": Word("自 {time} 起为此状态", "In this state since {time}"),
    "age_seconds": Word("{n} 秒", "{n} s"),
    "age_minutes": Word("{n} 分钟", "{n} min"),
    "age_hours": Word("{n} 小时", "{n} h"),
    "receipt_short": Word("收据", "Receipt"),
    "open_number": Word("{n} 笔待处理", "{n} open"),
    # the receipt
    "receipt": Word("医疗保险结算单", "Medical insurance settlement"),
    "receipt_demo": Word("演示 · 无效", "Demonstration, not valid"),
    "receipt_hospital": Word("医疗机构", "Institution"),
    "receipt_id": Word("本机结算号", "Our settlement id"),
    "receipt_centre_id": Word("结算ID", "Centre's settlement id"),
    "receipt_visit_id": Word("就诊ID", "Visit id"),
    "receipt_msgid": Word("报文ID", "Message id"),
    "receipt_settled_at": Word("结算时间", "Settled at"),
    "receipt_cancel_id": Word("撤销结算ID", "Cancellation id"),
    "receipt_cancelled": Word("本结算已撤销", "This settlement has been cancelled"),
    "receipt_who": Word("参保人", "Insured person"),
    "receipt_explained": Word("为什么付这么多", "Why this much"),
    "receipt_explained_intro": Word(
        "每一项金额的规则、标准、算式和依据如下。",
        "Rule, value, arithmetic and source of every amount.",
    ),
    "receipt_explains_ours": Word(
        "以下原因按本机试算写出；与中心结算不同的金额，以中心为准。",
        "The reasons are of our own calculation; where an amount differs, the centre's counts.",
    ),
    "receipt_amount": Word("结算", "Settled"),
    "receipt_negative": Word("撤销", "Cancelled"),
    "receipt_page": Word("第 {n} 页，共 {all} 页", "page {n} of {all}"),
    "receipt_digest": Word("政策包校验值", "Pack digest"),
    "receipt_note": Word(
        "本单为结算凭证，不是医疗收费电子票据。",
        "This is a settlement slip, not the electronic medical invoice.",
    ),
    "receipt_pdf": Word("打开 PDF", "Open the PDF"),
    "slip": Word("结算待确认凭条", "Pending settlement slip"),
    "slip_none": Word("未结算凭条", "Not settled"),
    "slip_note": Word(
        "本凭条不是收据，不作为付款凭证。",
        "This slip is no receipt and proves no payment.",
    ),
    # help
    "help_title": Word("键盘操作", "Keyboard"),
    "help_intro": Word(
        "整个收费过程只用键盘：插卡 F2，载入账单 F4，持卡人输入密码并按回车，结算 F8，收据自动出现。",
        "A whole sale by keyboard: F2 inserts the card, F4 loads the bill, the holder types the PIN and presses Enter, F8 settles, the receipt appears by itself.",
    ),
    "key": Word("按键", "Key"),
    "key_does": Word("作用", "Does"),
    "key_f1": Word("打开本页", "Opens this page"),
    "key_f2": Word(
        "插入所选演示卡并读卡；真实终端上重新读卡",
        "Inserts and reads the chosen card; on a real terminal reads again",
    ),
    "key_f3": Word("试算当前录入的账单", "Quotes the bill as typed"),
    "key_f4": Word(
        "载入样例账单 1 并试算；Alt+1、Alt+2、Alt+3 选择样例",
        "Loads sample bill 1 and quotes it; Alt+1, Alt+2, Alt+3 choose",
    ),
    "key_f5": Word(
        "重新读取状态，不刷新页面，不丢数据",
        "Reads the status again without reloading the page",
    ),
    "key_f6": Word("扫描医保电子凭证", "Scan an electronic voucher"),
    "key_f7": Word(
        "在“今日结算”页与医保中心对账", "On the page Today: reconciles with the centre"
    ),
    "key_f8": Word("结算", "Settles"),
    "key_f9": Word("打印收据（打开 PDF）", "Prints the receipt (opens the PDF)"),
    "key_enter": Word(
        "在密码框中验证密码；在明细中添加一行",
        "Verifies the PIN; adds a line to the bill",
    ),
    "key_escape": Word(
        "收起说明；结算后开始下一位",
        "Folds a reason; after a settlement starts the next patient",
    ),
    "help_trouble": Word("遇到问题", "If something is wrong"),
    "help_unknown": Word(
        "结果未知时：不要收款，不要重复结算本单。系统自动向中心核对，结果出现在“待处理”。其他患者照常办理。",
        "Outcome unknown: take no money, do not settle the bill again. The terminal asks the centre by itself; see Open items. Serve other patients as usual.",
    ),
    "help_pin": Word(
        "密码连续输错会锁卡。每按一次回车消耗一次机会，屏幕显示剩余次数。",
        "Wrong PINs lock the card. Each Enter spends one try; the screen shows what is left.",
    ),
    "help_card": Word(
        "卡片锁定、过期或读不出时，屏幕给出原因和办法；可改用自费结算。",
        "A blocked, expired or unreadable card is named with what to do.",
    ),
    "help_cancel": Word(
        "撤销结算：在“今日结算”或收据页操作，再确认一次。显示“已撤销”之前不要退款。",
        "To cancel a settlement, use Today or its receipt and confirm once more. Pay nothing back until it shows as cancelled.",
    ),
}


class Words:
    """The table in one language; an unknown word is a programmer's error.

    >>> Words("en")["settle"]
    'Settle'
    """

    def __init__(self, language: Language, table: Mapping[str, Word] = TABLE) -> None:
        self.language = language
        self._table = table

    def __getitem__(self, key: str) -> str:
        word = self._table.get(key)
        if word is None:
            msg = f"the counter has no word {key!r}: add it to terminal/words.py"
            raise AssertionError(msg)
        return word.zh if self.language == "zh" else word.en

    def fill(self, key: str, **facts: str | int) -> str:
        """Return a word with its places filled.

        >>> Words("zh").fill("pin_tries", n=2)
        '还可试 2 次'
        """
        return self[key].format(**facts)


def is_language(text: str | None) -> TypeGuard[Language]:
    """Say whether *text* names a language the counter speaks."""
    return text in LANGUAGES
