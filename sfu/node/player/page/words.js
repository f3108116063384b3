/** Times in words. */

/** 3723004 as 1:02:03. */
export function showTime(time) {
  const seconds = Math.max(0, Math.floor((time + 0.5) / 1000));
  const pad = (value) => String(value).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

/** 75000 as "1 min 15 s". */
export function showDuration(time) {
  const seconds = Math.round(time / 1000);
  const parts = [
    [Math.floor(seconds / 3600), "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  return parts.filter(([value]) => value).map(([value, unit]) => `${value}\u00a0${unit}`).join(" ") || "0\u00a0s";
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const clock = new Intl.DateTimeFormat("en-GB", { ...CLOCK, timeZoneName: "short" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });

/** The time of day, here, with its zone. */
export function showClock(date) {
  return clock.format(date);
}

export function showDay(date) {
  return day.format(date);
}
