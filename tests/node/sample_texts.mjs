// What people and models say in the samples: plain prose, code, tables, mathematics, emoji of every width,
// right-to-left and mixed text, scripts without spaces, and the characters that break careless software.

export const TITLES = [
  "Refactoring the billing module", "Trip to Lisbon in May 🇵🇹", "Why is my query slow?", "Sourdough, third attempt 🍞",
  "شرح الفرق بين المؤشرات والمراجع", "תכנון שבוע עבודה", "日本語のメール文面", "Cover letter — draft 2", "React vs. Svelte for a dashboard",
  "Explain monads like I'm five", "C:\\temp\\paths & \"quotes\"", "Regex for ISO dates", "Birthday poem for Nana 🎂", "Kubernetes 502s after deploy",
  "Proof that √2 is irrational", "ประวัติศาสตร์ไทยโดยย่อ", "Untitled", "Wörter mit Umlauten: Größe, Füße, Öl", "Tax question (Germany)", "Postgres row-level security",
  "Naming things", "한국어 존댓말 연습", "Marathon plan 🏃🏽‍♀️", "SELECT * FROM problems;", "Разбор стихотворения", "Guitar chords for beginners 🎸",
  "Summarise this paper", "Docker image is 2 GB", "हिन्दी में अभिवादन", "Interview prep: system design", "Emoji 👩🏽‍🚀👨‍👩‍👧‍👦 in filenames", "Half-open intervals",
  "CSS grid: three columns", "Move from npm to pnpm", "Dinner for six, one vegan 🥗", "Rust lifetimes", "<b>bold</b> in a title", "Rate limiting a webhook",
  "Bash: loop over files with spaces", "Ελληνικά για αρχάριους",
];

export const QUESTIONS = [
  "Can you look at this and tell me what I am missing?",
  "Why does this work locally but not in production? 🤔",
  "Rewrite it so that a junior developer can follow.",
  "What would you test first?",
  "Give me three options with their trade-offs, please.",
  "And in one sentence?",
  "كيف أستخدم هذا في مشروع كبير؟ أرجو مثالاً مع شرح.",
  "אפשר דוגמה קצרה בפייתון, עם הסבר בעברית?",
  "これをもう少し丁寧な言い方にしてください。🙏",
  "Explain `O(n log n)` vs `O(n²)` with numbers, n = 1 000 000.",
  "ok",
  "👍",
  "Wait — that contradicts what you said before. Which one is right?",
  "Please keep the tone friendly; it goes to a customer in São Paulo.",
  "What does this mean?\n\n```\nTraceback (most recent call last):\n  File \"app.py\", line 3, in <module>\n    raise SystemExit(\"\\N{SNOWMAN} ☃\")\n```",
  "Translate to Arabic and English side by side: “The meeting moved to 15:00.”",
  "   leading and trailing spaces stay   ",
  "Mixed: the price is ‏١٢٫٥٠ ر.س‏ (about $3.33), correct?",
];

export const PARAGRAPHS = [
  "The short answer: yes, but only while the list is sorted. The moment somebody appends to it, the guarantee is gone and the search returns a neighbour instead of a match.",
  "Think of a transaction as a promise. Either everything inside it happened, or nothing did; what nobody ever sees is the half-way state.",
  "Three things usually cause this:\n\n1. a cache that outlives the deploy,\n2. a clock that disagrees by a few seconds,\n3. a default that changed between versions.",
  "**Start small.** Measure before you change anything, change one thing, measure again. If the number did not move, put it back.",
  "| option | cost | latency | who maintains it |\n|---|---:|---:|---|\n| keep it | $0 | 120 ms | us |\n| queue | $14/month | 40 ms | us |\n| hosted | $99/month | 35 ms | them |",
  "> The purpose of abstraction is not to be vague, but to create a new semantic level in which one can be absolutely precise. — Dijkstra",
  "Suppose √2 = p/q in lowest terms. Then p² = 2q², so p is even, p = 2r, hence q² = 2r² and q is even as well ⇒ contradiction. ∎",
  "الفكرة الأساسية بسيطة: المرجع اسم آخر للشيء نفسه، أما المؤشر فهو متغيّر يحمل عنوانه. استخدم `reference` حين لا يجوز أن يكون فارغاً.",
  "הרעיון פשוט: כל שורה שייכת לאדם אחד, והמסד עצמו (PostgreSQL 18) אוכף את זה — גם אם שכחנו `WHERE`.",
  "お世話になっております。先日のご提案について、社内で検討いたしました。つきましては、来週の火曜日（１５時）にお時間をいただけますでしょうか。",
  "Packing list 🧳: passport 🛂, charger 🔌, sunscreen 🧴, and — since it is Lisbon — shoes that do not slip on calçada 👟. Family of four? 👨‍👩‍👧‍👦 Then two rooms.",
  "Combining marks survive: e\u0301 is not é until normalised, and Z̸̡̛a̷͝l̴͗g̵̀o̸͠ text is somebody's idea of fun. Zero\u200Bwidth, soft\u00ADhyphen and a byte order mark \uFEFF may hide in pasted text.",
  "Careful with HTML here: `<script>alert(1)</script>`, &amp; and &lt; must come out exactly as they went in — a chat is text, not markup.",
  "Linear is not always slower. For n ≤ 64 the scan wins: no branch misses, one cache line, ~9 ns on my laptop (±1 ns, 1,000 runs).",
  "สวัสดีครับ ภาษาไทยไม่มีช่องว่างระหว่างคำ ดังนั้นการค้นหาคำต้องใช้วิธีอื่น",
  "You could phrase it as: “Thank you for waiting. Your order left our warehouse this morning and should reach you by Thursday.” It is polite, says what happened, and promises only what you control.",
];

export const CODE = [
  "```python\nfrom collections.abc import Iterator\n\n\ndef chunks(items: list[str], size: int) -> Iterator[list[str]]:\n    \"\"\"Lists of at most `size`, in order.\"\"\"\n    for start in range(0, len(items), size):\n        yield items[start : start + size]\n```",
  "```sql\nSELECT provider, sum(total_cost) AS cost\nFROM usage_record\nWHERE hour >= now() - interval '7 days'\n  AND note NOT LIKE '%\\_%' ESCAPE '\\'\nGROUP BY provider\nORDER BY cost DESC NULLS LAST;\n```",
  "```ts\nexport const sleep = (ms: number) =>\n  new Promise<void>((resolve) => setTimeout(resolve, ms)); // `${ms} ms`\n```",
  "```bash\nfind . -name '*.jpg' -print0 | while IFS= read -r -d '' file; do\n\tprintf '%s\\n' \"${file##*/}\"\ndone\n```",
  "```rust\nfn longest<'a>(left: &'a str, right: &'a str) -> &'a str {\n    if left.len() >= right.len() { left } else { right }\n}\n```",
  "```html\n<p class=\"note\" data-x='{\"a\": 1}'>Tom &amp; Jerry&nbsp;— <em>since 1940</em></p>\n```",
  "```json\n{\"nested\": {\"quote\": \"\\\"\", \"backslash\": \"\\\\\", \"tab\": \"\\t\", \"snowman\": \"\\u2603\"}}\n```",
];

export const REASONING = [
  "The user wants a comparison, not a recommendation. List the options, name the trade-off of each, and leave the choice to them.",
  "Check the edge case first: an empty list. `range(0, 0, size)` yields nothing, so the function returns an empty iterator. Good.",
  "Let me compute: 3,600 × 24 × 7 = 604,800 seconds.\nThey said \"a week\", half-open, so the last instant is excluded.",
  "The message is in Arabic; answer in Arabic, keep code identifiers in Latin script, and mind the direction of the parentheses.",
  "Two readings are possible. The first contradicts the earlier message, so take the second and say so.",
  "🤔 The number looks off by one order of magnitude: 12.50 SAR is about 3.33 USD at the fixed rate of 3.75. Confirmed.",
];
