// Chance that is the same on every run and every machine.

const HEX = "0123456789abcdef";
const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** A generator (mulberry32) with the few draws that making samples takes. */
export function seeded(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const integer = (low, high) => low + Math.floor(next() * (high - low + 1));
  const pick = (list) => list[integer(0, list.length - 1)];
  const text = (alphabet, length) => Array.from({ length }, () => alphabet[integer(0, alphabet.length - 1)]).join("");
  return {
    next,
    integer,
    pick,
    chance: (probability) => next() < probability,
    hex: (length) => text(HEX, length),
    alphanumeric: (length) => text(ALPHANUMERIC, length),
    uuid() {
      const digits = text(HEX, 32);
      return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-a${digits.slice(17, 20)}-${digits.slice(20)}`;
    },
  };
}
