// The page of listings.

export function page(listings) {
  const rows = listings.map(({ title, price }) => `<tr><td>${escape(title)}</td><td>${escape(price)}</td></tr>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>961tech</title>
<h1>961tech</h1>
<p>${listings.length} listings</p>
<table>
<tr><th>Title</th><th>Price</th></tr>
${rows.join("\n")}
</table>
</html>
`;
}

function escape(text) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}
