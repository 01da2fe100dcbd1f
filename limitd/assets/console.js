// What pages do by themselves. Without it each page works as it was sent.
//
// Several times a second it asks whether the session is open and whether anything has changed: a page with live
// parts fetches itself again, and once the session is over the login screen covers the page. What was typed stays
// in the page below and is there again after the login.
"use strict";

(() => {
  const VISIBLE = 400;
  const HIDDEN = 10000;
  const UNATTENDED = { "X-Unattended": "1" };
  const user = document.body.dataset.user;
  const main = document.getElementById("main");
  let version = main.dataset.version;
  let timer;
  let screen;

  // Times in the zone of the browser, with its name; the time as it was sent stays as the title.
  const showTimes = (root) => {
    const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });
    const two = (number) => String(number).padStart(2, "0");
    const local = (time, withSeconds) => {
      const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
      const clock = [time.getHours(), time.getMinutes(), ...(withSeconds ? [time.getSeconds()] : [])];
      const name = zone.formatToParts(time).find((part) => part.type === "timeZoneName");
      return `${day} ${clock.map(two).join(":")} ${name ? name.value : ""}`.trim();
    };
    for (const element of root.querySelectorAll("time[datetime]:not([title])")) {
      const time = new Date(element.dateTime);
      if (Number.isNaN(time.getTime())) continue;
      element.title = element.textContent;
      element.textContent = local(time, true);
    }
    for (const element of root.querySelectorAll("svg text[data-time]")) {
      element.textContent = local(new Date(element.dataset.time), false);
    }
  };

  const parse = (text) => new DOMParser().parseFromString(text, "text/html");

  // The page as it is now takes the place of its live part. What has the focus keeps it.
  const refresh = async () => {
    const live = document.getElementById("live");
    if (!live) return;
    const answer = await fetch(location.href, { headers: UNATTENDED });
    if (!answer.ok) return;
    const page = parse(await answer.text());
    const fresh = page.getElementById("live");
    if (!fresh) return;
    version = page.getElementById("main").dataset.version;
    showTimes(fresh);
    if (live.innerHTML === fresh.innerHTML) return;
    const label = live.contains(document.activeElement) && nameOf(document.activeElement);
    live.replaceChildren(...fresh.childNodes);
    if (label) {
      const same = [...live.querySelectorAll("a, button, [tabindex]")].find((e) => nameOf(e) === label);
      (same || main).focus();
    }
  };

  const nameOf = (element) => element.getAttribute("aria-label") || element.textContent;

  const pulse = async () => {
    try {
      const answer = await fetch("/console/pulse", { headers: UNATTENDED });
      if (answer.status === 401 && !screen) await lock();
      // The user has logged in again in another window.
      else if (answer.ok && screen) await show(await fetch("/console/sessions", { headers: UNATTENDED }));
      else if (answer.ok && version && (await answer.text()) !== version) await refresh();
    } catch {
      // The service is not there at the moment; the next time it may be.
    }
    wait();
  };

  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(pulse, document.hidden ? HIDDEN : VISIBLE);
  };

  // Covers the page with the login screen.
  const lock = async () => {
    screen = document.createElement("dialog");
    screen.setAttribute("aria-label", "Log in");
    screen.addEventListener("cancel", (event) => event.preventDefault());
    screen.addEventListener("submit", submit);
    document.body.append(screen);
    screen.showModal();
    main.hidden = true;
    await show(await fetch("/console/login"));
    say("Your session is over. Log in again: the page is as you left it.");
  };

  const say = (text) => {
    const line = document.createElement("p");
    line.textContent = text;
    line.setAttribute("role", "status");
    screen.prepend(line);
  };

  // Shows the login screen, or the form that changes an expired password, that the service answers with; anything else means that the user is logged in.
  const show = async (answer) => {
    const page = parse(await answer.text());
    const login = page.getElementById("login");
    if (!login) return unlock(page);
    const title = document.createElement("h1");
    title.textContent = page.querySelector("h1").textContent;
    if (title.textContent === "Log in") title.textContent += ` to ${document.querySelector(".host strong").textContent}`;
    screen.replaceChildren(title, ...document.importNode(login, true).childNodes);
    const field = screen.querySelector("[autofocus]") || screen.querySelector("input:not([type=hidden])");
    field.focus();
  };

  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    const fields = new URLSearchParams(new FormData(form, event.submitter));
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    try {
      await show(await fetch(form.action, { method: "POST", body: fields }));
    } catch {
      for (const button of form.querySelectorAll("button")) button.disabled = false;
      say("The service cannot be reached. Try again.");
    }
  };

  // Back to the page; of another user nothing is left.
  const unlock = (page) => {
    if (page.body.dataset.user !== user) return location.assign("/console/sessions");
    const word = page.querySelector("input[name=csrf]").value;
    for (const field of document.querySelectorAll("input[name=csrf]")) field.value = word;
    screen.remove();
    screen = undefined;
    main.hidden = false;
    main.focus();
    refresh().catch(() => {});
  };

  showTimes(document);
  // What was done is said once.
  const address = new URL(location.href);
  for (const name of ["done", "saved", "deleted"]) address.searchParams.delete(name);
  if (address.href !== location.href) history.replaceState(null, "", address);
  if (user) {
    document.addEventListener("visibilitychange", () => (document.hidden ? null : pulse()));
    wait();
  }
})();
