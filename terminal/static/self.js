// The holder's own page. What it shows comes whole from this machine and goes as a
// whole: when the card leaves, when nothing happens for a while, when the page is
// left, when the connection breaks, and at a press of the key. It keeps no figure, no
// name and no PIN, only the name of the visit, in memory.
"use strict";

const byId = (id) => document.getElementById(id);
const IDLE_MS = Number(document.body.dataset.idle) * 1000;
const AGAIN_MS = 2000; // an event stream that was refused
const MOST_DIGITS = 12;
const LEAST_DIGITS = 4;

let visit = ""; // known to this page alone; empty: nothing personal is shown
let busy = false; // a PIN or the record is under way: the card's events are its own
let heard = 0; // the newest generation of the slot that an event told
let pageAsked = 0; // numbers the questions for the page, as they leave
let pageShown = 0; // the newest of them that is on the screen
let idleTimer = 0;

const stage = () => byId("stage").dataset;
const asJson = { "Content-Type": "application/json" };

async function call(method, path, body, headers = {}) {
  const asked = { method, body, headers: { "X-Counter": "1", ...headers }, cache: "no-store" };
  let answer = await fetch(path, asked);
  if (answer.status === 401) {
    // The program was restarted under this page: a page load opens the new session.
    await fetch("/self", { cache: "no-store" });
    answer = await fetch(path, asked);
  }
  return answer;
}

async function sentenceOf(answer) {
  try {
    const problem = await answer.json();
    const chinese = stage().language === "zh";
    return (chinese ? problem.cashier_sentence : problem.detail) || stage().failed;
  } catch {
    return stage().failed;
  }
}

function warn(text) {
  byId("alert").textContent = text;
  byId("alert").hidden = !text;
}

function say(text) {
  byId("live").textContent = text;
}

/**
 * Put every element of a page that says data-swap in the place of its namesake.
 * What is shown already stays as it is, with the digits that are typed into it.
 */
function swap(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const fresh = page.getElementById("stage").dataset;
  if (["stage", "generation", "language"].every((name) => fresh[name] === stage()[name])) {
    return;
  }
  for (const fresh of page.querySelectorAll("[data-swap]")) {
    byId(fresh.id)?.replaceWith(document.adoptNode(fresh));
  }
  document.documentElement.lang = page.documentElement.lang;
  document.title = page.title;
}

/** Take everything personal off the screen at once, before anything is asked. */
function wipe() {
  const was = visit;
  visit = "";
  if (stage().stage === "record") {
    byId("stage").replaceChildren();
    stage().stage = "wiped";
  }
  return was;
}

async function refresh() {
  const mine = ++pageAsked;
  const typed = byId("pin-input");
  const focused = document.activeElement === typed;
  try {
    const answer = await call("GET", "/self");
    const html = answer.ok && (await answer.text());
    // An answer that was overtaken by a newer one tells of a card of before.
    if (html && !visit && mine > pageShown) {
      pageShown = mine;
      swap(html);
    }
  } catch {
    warn(stage().offline);
    return;
  }
  if (byId("pin-input")) {
    byId("pin-input").focus();
  } else if (focused || document.activeElement === document.body) {
    byId("ask-title")?.focus();
  }
  say(byId("ask-title")?.textContent ?? "");
}

// -- the card and the PIN -----------------------------------------------------------

async function moveCard(cardId) {
  warn("");
  try {
    const answer = await call("POST", "/api/v1/card/demo", JSON.stringify({ card_id: cardId }), asJson);
    if (!answer.ok) {
      warn(await sentenceOf(answer));
    }
  } catch {
    warn(stage().failed);
  }
  await refresh();
}

async function verify() {
  const input = byId("pin-input");
  if (busy || (input && input.value.length < LEAST_DIGITS)) {
    return;
  }
  busy = true;
  // Without a field the PIN is entered on the PIN pad, and nothing is sent.
  const digits = new TextEncoder().encode(input?.value ?? "");
  const path = byId("last-try")?.checked ? "/self/pin?confirm_last_try=true" : "/self/pin";
  if (input) {
    input.value = "";
  }
  warn("");
  say(stage().opening);
  let told = stage().failed;
  try {
    const answer = await call("PUT", path, digits, { "Content-Type": "application/octet-stream" });
    if (answer.ok) {
      const said = await answer.json();
      visit = said.visit;
      told = said.sentence;
    } else {
      told = await sentenceOf(answer);
    }
  } catch {
    // Not known whether a try was spent: the page asks anew and shows the tries left.
  } finally {
    digits.fill(0);
    busy = false;
  }
  if (visit) {
    await showRecord("/self/record");
  } else {
    await refresh();
    warn(told);
  }
}

async function showRecord(path) {
  busy = true;
  let told = stage().failed;
  let html = "";
  try {
    const answer = await call("POST", path, JSON.stringify({ visit }), asJson);
    if (answer.ok) {
      html = await answer.text();
    } else {
      told = await sentenceOf(answer);
    }
  } catch {
    // The terminal is away: nothing is shown.
  }
  busy = false;
  if (html && visit) {
    swap(html);
    byId("ask-title").focus();
    beActive();
  }
  if (!html) {
    wipe();
    await refresh();
    warn(told);
  } else {
    await lookAtSlot();
  }
}

// -- the end of a visit -------------------------------------------------------------

async function end() {
  const was = wipe();
  if (byId("pin-input")) {
    byId("pin-input").value = "";
  }
  if (was) {
    try {
      await call("POST", "/self/end", JSON.stringify({ visit: was }), asJson);
    } catch {
      // The screen is clear; the terminal ends the card's session by itself.
    }
    await refresh();
    say(stage().cleared);
  }
}

function beActive() {
  clearTimeout(idleTimer);
  idleTimer = setTimeout(end, IDLE_MS);
}

/** Where the slot has changed since, what is shown was of the card before. */
async function lookAtSlot() {
  const shown = Number(stage().generation);
  // Other credentials count from elsewhere: without a visit any other number is news.
  if (!busy && (visit ? heard > shown : heard !== shown)) {
    await cardChanged();
  }
}

async function cardChanged() {
  sayGoodbye(wipe());
  await refresh();
}

/** End a visit whose page has let go of it; where its card has left, it is over. */
function sayGoodbye(was) {
  if (was) {
    const body = JSON.stringify({ visit: was });
    const asked = { method: "POST", keepalive: true, body, headers: { "X-Counter": "1", ...asJson } };
    fetch("/self/end", asked).catch(() => {});
  }
}

function leave() {
  sayGoodbye(wipe());
}

// -- keys ---------------------------------------------------------------------------

function toggleWhole(button) {
  const whole = button.dataset.whole !== "true";
  button.dataset.whole = String(whole);
  button.textContent = whole ? button.dataset.hide : button.dataset.show;
  for (const part of document.querySelectorAll("[data-part]")) {
    part.hidden = (part.dataset.part === "whole") !== whole;
  }
}

function pressDigit(digit) {
  const input = byId("pin-input");
  if (digit === "clear") {
    input.value = "";
  } else if (digit === "back") {
    input.value = input.value.slice(0, -1);
  } else if (input.value.length < MOST_DIGITS) {
    input.value += digit;
  }
}

const actions = { end, remove: () => moveCard(null), whole: toggleWhole };

function onClick(event) {
  const button = event.target.closest("[data-action], [data-digit]");
  if (button?.dataset.digit) {
    pressDigit(button.dataset.digit);
  } else if (button) {
    actions[button.dataset.action](button);
  }
  const language = event.target.closest("#language");
  if (language && visit) {
    event.preventDefault();
    showRecord(`/self/record?lang=${language.dataset.language}`);
  }
}

function onKey(event) {
  // A held Enter would spend the PIN's tries.
  if (event.repeat && event.key === "Enter") {
    event.preventDefault();
  } else if (event.key === "Escape" && visit) {
    end();
  }
}

// -- what happens by itself -----------------------------------------------------------

function listen(away = false) {
  const events = new EventSource("/api/v1/events");
  events.addEventListener("card", (event) => {
    // One that comes late, of a change that is shown already, is no change.
    heard = JSON.parse(event.data).generation;
    lookAtSlot();
  });
  events.addEventListener("reset", cardChanged);
  events.onerror = () => {
    // Whether the card is still in is not known any more.
    away = true;
    sayGoodbye(wipe());
    warn(stage().offline);
    if (events.readyState === EventSource.CLOSED) {
      setTimeout(() => listen(true), AGAIN_MS);
    }
  };
  events.onopen = () => {
    if (away) {
      away = false;
      warn("");
      refresh();
    }
  };
  addEventListener("pagehide", () => { leave(); events.close(); }, { once: true });
}

document.addEventListener("click", onClick);
document.addEventListener("keydown", onKey);
document.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.target.id === "pin-form") {
    verify();
  } else if (event.target.id === "deck") {
    moveCard(byId("card-id").value);
  }
});
for (const sign of ["keydown", "pointerdown", "wheel", "touchmove"]) {
  document.addEventListener(sign, beActive, { passive: true });
}
addEventListener("pageshow", (event) => event.persisted && location.reload());
listen();
beActive();
byId("pin-input")?.focus();
