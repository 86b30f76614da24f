// Values as people read them. Times are local; the title of each carries the UTC one, as traces have it.

const two = (number) => String(number).padStart(2, "0");

export const clock = (at) => (at ? [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":") : "");

/** Time of day, with the date in front when it is not today's. */
export function moment(text) {
  if (!text) return "";
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  return today ? clock(at) : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(at)}`;
}

export function preciseMoment(text) {
  if (!text) return "–";
  return `${moment(text)}.${String(new Date(text).getMilliseconds()).padStart(3, "0")}`;
}

/** Seconds as 4.2 s, 1:04 min or 2:01:04 h. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "";
  if (seconds < 60) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)} h` : `${minutes}:${two(rest)} min`;
}

/** How long a call has lasted: from its answer (else its start) to its end (else now). */
export function lasted(call, now) {
  const from = call.answeredAt || call.startedAt;
  if (!from) return null;
  const to = call.endedAt ? Date.parse(call.endedAt) : now;
  return (to - Date.parse(from)) / 1000;
}

export const isLive = (call) => call.state === "ringing" || call.state === "answered";

/** The number or user part of a From or To value; the whole value when there is none. */
export function party(value, number) {
  if (number) return number;
  const match = /(?:sips?|tel):([^@;>?\s]+)/i.exec(value || "");
  return match ? match[1] : value || "–";
}

export function ending(call) {
  if (isLive(call)) return "";
  const by = { partner: "by partner", sbc: "by the SBC", network: "by the network" }[call.endedBy] || "";
  const status = call.endStatus ? ` ${call.endStatus}` : "";
  return `${call.endReason || call.state}${status}${by ? `, ${by}` : ""}`;
}

export const plural = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;
export const fixed = (value, digits = 1) => (typeof value === "number" ? value.toFixed(digits) : "–");
export const measured = (value, unit, digits = 1) => (typeof value === "number" ? `${value.toFixed(digits)} ${unit}` : "–");
export const octets = (count) => (count < 10_000 ? `${count} octets` : `${(count / 1024).toFixed(0)} KiB`);
export const area = (rule) => String(rule || "").split("-")[1] || "";

export const AREAS = {
  TLS: "TLS",
  NET: "Network",
  SIP: "SIP",
  HDR: "Headers",
  DLG: "Dialog",
  UUI: "User-to-User",
  SDP: "SDP",
  SRTP: "SRTP keys",
  MEDIA: "Media",
  E2E: "End to end",
};
const ORDER = Object.keys(AREAS);
const WORST = ["fail", "warn", "unknown", "pass", "skip"];
const WEIGHT = ["must", "profile", "advice"];

export const areaOrder = (one, other) => (ORDER.indexOf(one) + 99) % 99 - ((ORDER.indexOf(other) + 99) % 99);

/** Worst first, then what a standard demands, then by the order in which a call is set up. */
export function byUrgency(one, other) {
  return (
    WORST.indexOf(one.status) - WORST.indexOf(other.status) ||
    WEIGHT.indexOf(one.severity) - WEIGHT.indexOf(other.severity) ||
    areaOrder(area(one.rule), area(other.rule)) ||
    one.rule.localeCompare(other.rule)
  );
}

export const GLYPHS = { pass: "✓", warn: "!", fail: "✕", skip: "–", unknown: "?" };
export const WORDS = { pass: "passed", warn: "warned", fail: "failed", skip: "not reached", unknown: "undecided" };
