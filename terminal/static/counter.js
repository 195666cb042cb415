// The counter's page. It has no figures and no words of its own: it sends what a key
// means to the API, and puts the fragments that this machine renders in their place.
// A settlement is sent under one key until its answer is known, never under two.
"use strict";

const byId = (id) => document.getElementById(id);
const SLOW_MS = 10000; // the lights, when nothing happens
const LIST_MS = 3000; // today's settlements and the open items, see today.js
const AGAIN_MS = 2000; // an event stream that was refused
const POLL_MS = 1000; // a settlement that is not decided

/** The settlement on its way: its Idempotency-Key and the exact body it was sent with. */
let attempt = null;
let verifying = false; // a PIN is on its way; the card may be known as verified before its answer
let settling = false;
let pollTimer = 0;
let wanted = 0; // the newest change of bill or quote asked for; older answers are dropped
let answered = 0; // the newest of them that has ended; an older one may still be under way
let cardAsked = 0; // the newest look at the card asked for …
let cardShown = 0; // … and shown: an answer that was overtaken would bring the past back
let cardCame = false; // under the newest change: if that was too early for it, quote again

// -- talking to the terminal ------------------------------------------------------

async function call(method, path, body, headers = {}) {
  const asked = { method, body, headers: { "X-Counter": "1", ...headers }, cache: "no-store" };
  let answer = await fetch(path, asked);
  if (answer.status === 401) {
    // The program was restarted under this page: a page load opens the new session.
    await fetch("/", { cache: "no-store" });
    answer = await fetch(path, asked);
  }
  return answer;
}

const inChinese = () => document.body.dataset.language === "zh";
const asJson = { "Content-Type": "application/json" };

/** Do one thing at the API or ask for a fragment; a problem becomes its sentence. */
async function ask(method, path, value) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  let answer;
  try {
    answer = await call(method, path, body, body === undefined ? {} : asJson);
  } catch {
    warn(document.body.dataset.failed);
    return null;
  }
  if (answer.ok) {
    return answer;
  }
  warn(await sentenceOf(answer));
  return null;
}

async function sentenceOf(answer) {
  try {
    const problem = await answer.json();
    return (inChinese() ? problem.cashier_sentence : problem.detail) || document.body.dataset.failed;
  } catch {
    return document.body.dataset.failed;
  }
}

// -- showing ----------------------------------------------------------------------

function warn(text) {
  byId("alert").textContent = text;
  byId("alert").hidden = !text;
}

function say(text) {
  byId("live").textContent = text;
}

/** Put every element of a fragment that says data-swap in the place of its namesake. */
function swap(html) {
  const fragment = new DOMParser().parseFromString(html, "text/html");
  for (const fresh of fragment.querySelectorAll("[data-swap]")) {
    const old = byId(fresh.id);
    if (old) {
      old.replaceWith(document.adoptNode(fresh));
    }
  }
}

async function show(path) {
  const answer = await ask("GET", `/counter/fragment/${path}`);
  if (answer === null) {
    return false;
  }
  swap(await answer.text());
  return true;
}

const cardState = () => byId("card").dataset.state;
const splitMode = () => byId("split").dataset.mode;
const billText = () => byId("bill").dataset.bill;
const holderIsKnown = () => ["ready", "verified"].includes(cardState());

/** Bring the PIN panel, the settle key and the focus in line with card and quote. */
function settleDown() {
  const split = byId("split");
  const quoted = splitMode() === "quote" && split.dataset.settleable === "true";
  const needsPin = quoted && cardState() === "ready";
  byId("pin").hidden = !needsPin;
  byId("pin-who").textContent = byId("holder")?.textContent ?? "";
  byId("pin-what").textContent = split.dataset.pays;
  const input = byId("pin-input");
  byId("pin-tries").textContent = byId("card").dataset.tries;
  const entry = input ?? byId("pin-start");
  const next = needsPin ? entry : quoted && cardState() === "verified" ? byId("settle") : null;
  if (!byId("typed")?.contains(document.activeElement)) {
    next?.focus();
  }
}

// -- the card ---------------------------------------------------------------------

async function loadCard() {
  const mine = ++cardAsked;
  const answer = await ask("GET", "/counter/fragment/card");
  const html = answer && (await answer.text());
  if (html === null || mine < cardShown) {
    return;
  }
  cardShown = mine;
  const was = cardState();
  const whoWas = byId("card").dataset.who;
  swap(html);
  if (cardState() !== was) {
    say(byId("card").dataset.said);
  }
  if (holderIsKnown()) {
    if (splitMode() === "result" && !["ready", "verified"].includes(was)) {
      clearDesk();
    } else if (answered < wanted) {
      cardCame = true; // quoting the old bill now would overtake the one being loaded
    } else if (splitMode() === "waiting") {
      await quoteBill();
    } else if (splitMode() === "quote" && billText() && byId("card").dataset.who !== whoWas) {
      // The figures were another holder's.
      emptySplit("waiting");
      await quoteBill();
    }
  } else if (splitMode() === "quote" && billText()) {
    // The figures were another holder's: they go, the bill stays.
    emptySplit("waiting");
  }
  settleDown();
}

async function insertCard() {
  warn("");
  const deck = byId("card-id");
  const answer = deck
    ? await ask("POST", "/api/v1/card/demo", { card_id: deck.value })
    : await ask("POST", "/api/v1/card/read", {});
  if (answer !== null) {
    await loadCard();
  }
}

async function removeCard() {
  warn("");
  if (await ask("POST", "/api/v1/card/demo", { card_id: null })) {
    await loadCard();
  }
}

/** Take what was scanned; it leaves the page with the request. */
async function scanVoucher() {
  warn("");
  const field = byId("scan");
  const code = field.value;
  field.value = "";
  if (await ask("POST", "/api/v1/credential/voucher", { code })) {
    await loadCard();
  }
}

async function readIdCard() {
  warn("");
  if (await ask("POST", "/api/v1/credential/id-card")) {
    await loadCard();
  }
}

async function showDemoCredential(button) {
  warn("");
  const asked = { card_id: byId("card-id").value, kind: button.dataset.kind };
  if (await ask("POST", "/api/v1/credential/demo", asked)) {
    await loadCard();
  }
}

/** Ask before the try is spent that would lock the card. */
function confirmLastTry() {
  const dialog = byId("last-try");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Say on the page that the holder is at the pad, or that he is not any more. */
function waitAtPad(waiting) {
  const told = byId("pin-pad");
  if (told) {
    const other = told.dataset.waiting;
    told.dataset.waiting = told.textContent;
    told.textContent = other;
    byId("pad-digits").textContent = "";
    byId("pin-start").setAttribute("aria-disabled", String(waiting));
    say(told.textContent);
  }
}

async function verifyPin() {
  const input = byId("pin-input"); // none where the holder has a pad
  if (verifying || byId("last-try").open || (input && input.value.length < 4)) {
    return;
  }
  const lastTry = byId("card").dataset.lastTry === "true";
  if (lastTry && !(await confirmLastTry())) {
    if (input) {
      input.value = "";
    }
    return;
  }
  verifying = true;
  const digits = new TextEncoder().encode(input?.value ?? "");
  if (input) {
    input.value = "";
  }
  warn("");
  waitAtPad(true);
  try {
    const path = lastTry ? "/api/v1/card/pin?confirm_last_try=true" : "/api/v1/card/pin";
    const answer = await call("PUT", path, input ? digits : undefined, {
      "Content-Type": "application/octet-stream",
    });
    if (answer.ok) {
      const problem = (await answer.json()).problem ?? { sentence_zh: "", sentence_en: "" };
      warn(inChinese() ? problem.sentence_zh : problem.sentence_en);
    } else {
      warn(await sentenceOf(answer));
    }
  } catch {
    warn(document.body.dataset.failed);
  } finally {
    digits.fill(0);
    verifying = false;
    waitAtPad(false);
  }
  await loadCard();
}

// -- the bill and the quote -------------------------------------------------------

/** Ask for bill and split together; an answer that was overtaken is not shown. */
async function work(path, value) {
  const mine = ++wanted;
  let html = null;
  try {
    const answer = await ask(value === undefined ? "GET" : "POST", `/counter/fragment/${path}`, value);
    html = answer && (await answer.text());
  } catch {
    warn(document.body.dataset.failed); // the line broke in the middle of the answer
  }
  answered = Math.max(answered, mine);
  if (mine !== wanted) {
    return false;
  }
  if (html !== null) {
    takeUp(html);
  }
  const early = cardCame && splitMode() === "waiting";
  cardCame = false;
  return early ? work("quote", { bill: JSON.parse(billText()) }) : html !== null;
}

/** Put bill and split on the counter; a settlement that was being looked at is left. */
function takeUp(html) {
  stopPolling();
  attempt = null;
  swap(html);
  if (splitMode() === "quote") {
    say(byId("split").querySelector(".pays")?.textContent.replace(/\s+/g, " ") ?? "");
  }
  settleDown();
}

async function loadSample(number) {
  warn("");
  await work("quote", { sample: number });
}

async function quoteBill() {
  warn("");
  return billText() ? work("quote", { bill: JSON.parse(billText()) }) : false;
}

async function addLine() {
  const form = byId("typed");
  const value = (name) => form.elements.namedItem(name).value.trim();
  const bill = splitMode() === "result" || !billText() ? null : JSON.parse(billText());
  warn("");
  const add = {
    item: value("item"),
    quantity: value("quantity"),
    unit_price: value("unit_price"),
    days: value("days"),
  };
  if (await work("bill", { bill, kind: value("kind"), add })) {
    byId("typed-item")?.focus();
  }
}

async function removeLine(button) {
  await work("bill", { bill: JSON.parse(billText()), remove: Number(button.dataset.line) });
  byId("typed-item")?.focus();
}

function emptySplit(mode) {
  const empty = byId("no-split").content.firstElementChild.cloneNode(true);
  empty.dataset.mode = mode;
  byId("split").replaceWith(empty);
}

/** Begin the next sale: no bill, no figures, no attempt. */
function clearDesk() {
  stopPolling();
  attempt = null;
  warn("");
  emptySplit("empty");
  work("bill", {});
}

async function offerItems(input) {
  const text = input.value.trim();
  if (text && !text.includes(" ")) {
    const answer = await call("GET", `/counter/fragment/items?text=${encodeURIComponent(text)}`);
    if (answer.ok && input.value.trim() === text) {
      swap(await answer.text());
    }
  }
}

// -- settling ---------------------------------------------------------------------

async function settle() {
  const split = byId("split");
  if (settling || splitMode() !== "quote" || split.dataset.settleable !== "true") {
    return;
  }
  const body = JSON.stringify({
    bill: JSON.parse(split.dataset.bill),
    patient_pays: split.dataset.pays,
    holder: split.dataset.holder,
  });
  if (attempt === null || attempt.body !== body) {
    attempt = { key: crypto.randomUUID(), body };
  }
  settling = true;
  byId("settle").setAttribute("aria-disabled", "true");
  warn("");
  say(document.body.dataset.settling);
  try {
    const answer = await call("POST", "/api/v1/settlements", body, {
      ...asJson,
      "Idempotency-Key": attempt.key,
    });
    await settled(answer);
  } catch {
    // Not known whether it arrived: the next F8 sends the same body under the same key.
    warn(document.body.dataset.failed);
  } finally {
    settling = false;
    byId("settle")?.removeAttribute("aria-disabled");
  }
}

async function settled(answer) {
  const copy = answer.clone();
  const told = await answer.json();
  if (answer.ok || told.code === "settlement-in-flight") {
    attempt = null;
    await showSettlement(told.settlement_id);
    await Promise.all([loadCard(), show("lights")]);
    byId("pin").hidden = true;
    return;
  }
  if (answer.status < 500) {
    attempt = null;
  }
  warn(await sentenceOf(copy));
  if (told.code === "amount-changed") {
    const sentence = byId("alert").textContent;
    await quoteBill();
    warn(sentence);
  }
}

async function showSettlement(id) {
  stopPolling();
  if (!(await show(`settlement/${encodeURIComponent(id)}`))) {
    return;
  }
  say(byId("split").dataset.said);
  byId("split").querySelector("#pdf")?.focus();
  if (byId("split").dataset.open === "true") {
    pollTimer = setTimeout(() => lookAgain(id), POLL_MS);
  }
}

/** Ask how an undecided settlement stands; redraw it only when that has changed. */
async function lookAgain(id) {
  try {
    const answer = await call("GET", `/counter/fragment/settlement/${encodeURIComponent(id)}`);
    const html = answer.ok ? await answer.text() : "";
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("split");
    const shown = byId("split");
    if (shown.dataset.id !== id) {
      return;
    }
    if (fresh !== null && fresh.dataset.state !== shown.dataset.state) {
      await showSettlement(id);
      await show("lights");
      return;
    }
    if (fresh !== null && byId("age")) {
      byId("age").textContent = fresh.querySelector("#age")?.textContent ?? "";
    }
  } catch {
    // The terminal is away for a moment: the next look will tell.
  }
  pollTimer = setTimeout(() => lookAgain(id), POLL_MS);
}

function stopPolling() {
  clearTimeout(pollTimer);
}

// -- keys -------------------------------------------------------------------------

async function refresh() {
  warn("");
  await Promise.all([loadCard(), show("lights")]);
}

function fold() {
  const open = [...document.querySelectorAll('.why[aria-expanded="true"]')];
  open.forEach(toggleWhy);
  return open.length > 0;
}

function toggleWhy(button) {
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  byId(button.getAttribute("aria-controls")).hidden = open;
}

const actions = {
  card: insertCard,
  clear: clearDesk,
  "demo-credential": showDemoCredential,
  help: () => byId("help-dialog").showModal(),
  "id-card": readIdCard,
  next: () => { clearDesk(); byId("main").focus(); },
  print: () => byId("pdf")?.click(),
  quote: quoteBill,
  refresh,
  remove: removeCard,
  "remove-line": removeLine,
  sample: (button) => loadSample(Number(button?.dataset.sample ?? 1)),
  scan: () => byId("scan").focus(),
  settle,
  why: toggleWhy,
};

const keys = { F1: "help", F2: "card", F3: "quote", F4: "sample", F5: "refresh", F6: "scan", F8: "settle", F9: "print" };

const dialogIsOpen = () => document.querySelector("dialog[open]") !== null;

function onKey(event) {
  // A held Enter would spend the PIN's tries or press the key that has the focus next.
  if (event.repeat && (event.key === "Enter" || event.key in keys)) {
    event.preventDefault();
    return;
  }
  const digit = /^Digit([1-9])$/.exec(event.code);
  if (event.altKey && digit && document.querySelector(`[data-sample="${digit[1]}"]`)) {
    event.preventDefault();
    loadSample(Number(digit[1]));
  } else if (event.key in keys && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    if (!dialogIsOpen()) {
      actions[keys[event.key]]();
    }
  } else if (event.key === "Escape" && !dialogIsOpen() && !fold() && splitMode() === "result") {
    actions.next();
  }
}

// -- what happens by itself -------------------------------------------------------

function listen(away = false) {
  const events = new EventSource("/api/v1/events");
  events.addEventListener("card", (event) => {
    const card = JSON.parse(event.data);
    if (String(card.generation) !== byId("card").dataset.generation) {
      loadCard();
    }
  });
  events.addEventListener("quote", (event) => {
    const quote = JSON.parse(event.data);
    const known = quote.bill_no === byId("bill").dataset.number && splitMode() === "quote";
    if (!settling && !(known && quote.patient_pays === byId("split").dataset.pays)) {
      work("quote");
    }
  });
  events.addEventListener("pad", (event) => {
    const shown = byId("pad-digits");
    if (verifying && shown) {
      shown.textContent = "●".repeat(JSON.parse(event.data).digits);
    }
  });
  events.addEventListener("notice", (event) => {
    const told = JSON.parse(event.data);
    warn(inChinese() ? told.sentence_zh : told.sentence_en);
  });
  events.addEventListener("settlement", () => show("lights"));
  events.addEventListener("reset", refresh);
  events.onerror = () => {
    away = true;
    warn(document.body.dataset.offline);
    if (events.readyState === EventSource.CLOSED) {
      // Refused, not interrupted: the browser gives up there, this page does not.
      setTimeout(() => listen(true), AGAIN_MS);
    }
  };
  events.onopen = () => {
    if (away) {
      away = false;
      refresh();
    }
  };
  addEventListener("pagehide", () => events.close(), { once: true });
}

function start() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) {
      actions[button.dataset.action](button);
    }
  });
  document.addEventListener("submit", (event) => {
    const forms = { "pin-form": verifyPin, typed: addLine, deck: insertCard, voucher: scanVoucher };
    if (event.target.id in forms) {
      event.preventDefault();
      forms[event.target.id]();
    }
  });
  document.addEventListener("input", (event) => {
    if (event.target.id === "typed-item") {
      offerItems(event.target);
    }
  });
  listen();
  setInterval(() => show("lights"), SLOW_MS);
  if (billText() && holderIsKnown()) {
    quoteBill();
  } else if (billText()) {
    emptySplit("waiting");
  }
}

if (document.body.dataset.page === "page") {
  start();
}
