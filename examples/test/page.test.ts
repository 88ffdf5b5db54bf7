import { expect, it } from "vitest";
import { asciiOnly, Page, wrap } from "../walk/page.ts";

function paper(): { page: Page; text: () => string } {
  let printed = "";
  const page = new Page({ ascii: true, color: false, write: (text) => (printed += text) });
  return { page, text: () => printed };
}

it("breaks prose at blanks and leaves a long word whole", () => {
  expect(wrap("one two three", 7)).toEqual(["one two", "three"]);
  expect(wrap("a incomprehensibilities b", 5)).toEqual(["a", "incomprehensibilities", "b"]);
});

it("counts a checkpoint that does not hold", () => {
  const { page, text } = paper();
  page.check(true, "fine");
  page.check(false, "broken");
  expect(page.failed).toBe(1);
  expect(text()).toBe("  ok fine\n  XX broken\n");
});

it("puts numbers to the right and text to the left of a column", () => {
  const { page, text } = paper();
  page.table(
    ["name", "n"],
    [
      ["a", 1],
      ["bc", 10],
    ],
  );
  expect(text()).toBe("  name   n\n  a      1\n  bc    10\n");
});

it("falls back to ASCII without a UTF-8 locale or on a dumb terminal", () => {
  expect(asciiOnly({ TERM: "dumb", LANG: "en_US.UTF-8" })).toBe(true);
  expect(asciiOnly({ LANG: "C" })).toBe(true);
  expect(asciiOnly({ LANG: "de_DE.utf8" })).toBe(false);
  expect(asciiOnly({})).toBe(false);
});
