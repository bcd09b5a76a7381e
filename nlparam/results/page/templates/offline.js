"use strict";
// Edits of a tree without a process: what they make of it, and the file that a refit reads.
const nlparamOffline = (() => {
  const oneLine = (words) => String(words ?? "").split(/\s+/).filter(Boolean).join(" ");

  function* walk(entries, above = []) {
    for (const entry of entries) {
      yield { entry, above };
      yield* walk(entry.children, [...above, entry]);
    }
  }
  function find(tree, node) {
    for (const { entry } of walk(tree.children)) if (entry.node === node) return entry;
    throw new Error(`The tree has no node ${node} any more.`);
  }
  // A new node is named by its path of predicates.
  function named(tree) {
    for (const { entry, above } of walk(tree.children)) {
      entry.node = entry.id ?? [...above, entry].map((one) => one.predicate).join(" > ");
    }
    return tree;
  }
  function without(entries, gone) {
    return entries.filter((one) => one !== gone).map((one) => ((one.children = without(one.children, gone)), one));
  }
  const below = (tree, node) => (node === "root" ? tree : find(tree, node));

  // What each operation does; those of nlparam.taxonomies.operations.
  const does = {
    rename: (tree, { node, name }) => {
      const entry = find(tree, node);
      entry.name = oneLine(name) || entry.predicate;
    },
    reword: (tree, { node, predicate }) => {
      find(tree, node).predicate = oneLine(predicate);
    },
    define: (tree, { node, definition }) => {
      const said = find(tree, node).predicate.toLowerCase();
      for (const { entry } of walk(tree.children)) {
        if (entry.predicate.toLowerCase() === said) entry.definition = definition;
      }
    },
    lock: (tree, { node, locked = true }) => {
      find(tree, node).locked = locked;
    },
    forbid: (tree, { node }) => {
      find(tree, node).forbidden = true;
    },
    exclude: (tree, { predicate, excluded = true }) => {
      const said = oneLine(predicate);
      tree.forbid = tree.forbid.filter((one) => one.toLowerCase() !== said.toLowerCase());
      if (excluded) tree.forbid.push(said);
    },
    delete: (tree, { node }) => {
      tree.children = without(tree.children, find(tree, node));
    },
    merge: (tree, { nodes, into }) => {
      for (const node of nodes) find(tree, node).merge_into = find(tree, into).id ?? into;
    },
    split: (tree, { node, children }) => {
      find(tree, node).split = children ?? true;
    },
    move: (tree, { node, under }) => {
      const entry = find(tree, node);
      if (under !== "root" && [...walk([entry])].some((one) => one.entry.node === under)) {
        throw new Error("A node cannot be moved under itself.");
      }
      tree.children = without(tree.children, entry);
      below(tree, under).children.push(entry);
    },
    add: (tree, { predicate, under, name }) => {
      const said = oneLine(predicate);
      if (!said) throw new Error("Write what is to be judged of a text.");
      below(tree, under).children.push({ id: null, name: oneLine(name) || said, predicate: said, children: [] });
    },
  };
  function applied(tree, operations) {
    const edited = structuredClone(tree);
    for (const operation of operations) {
      does[operation.operation](edited, operation);
      named(edited);
    }
    return edited;
  }

  // JSON is YAML, but for characters that YAML does not print.
  const odd = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;
  const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  const escaped = (one) => "\\u" + one.charCodeAt(0).toString(16).padStart(4, "0");
  const quoted = (words) => JSON.stringify(oneLine(words).replace(lone, "\ufffd")).replace(odd, escaped);
  function list(entries, indent) {
    return entries.flatMap((entry) => {
      const lines = entry.id ? [`id: ${quoted(entry.id)}`] : [];
      lines.push(`name: ${quoted(entry.name)}`, `predicate: ${quoted(entry.predicate)}`);
      for (const key of ["locked", "forbidden"]) if (entry[key]) lines.push(`${key}: true`);
      if (entry.merge_into) lines.push(`merge_into: ${quoted(entry.merge_into)}`);
      if (entry.split) lines.push(`split: ${entry.split}`);
      for (const [key, part] of [["definition", "clauses"], ["for", "holds"], ["against", "fails"]]) {
        const words = entry.definition?.[part] ?? [];
        if (words.length) lines.push(`${key}: [${words.map(quoted).join(", ")}]`);
      }
      const own = lines.map((line, at) => `${indent}${at ? "  " : "- "}${line}`);
      return entry.children.length ? [...own, `${indent}  children:`, ...list(entry.children, indent + "    ")] : own;
    });
  }
  function yaml(tree) {
    const forbid = tree.forbid.length ? ["forbid:", ...tree.forbid.map((one) => `  - ${quoted(one)}`)] : ["forbid:"];
    const children = tree.children.length ? ["tree:", ...list(tree.children, "  ")] : ["tree: []"];
    const head = "# Edited on the page of a report. Put it into the folder of the tree, then run: nlparam refit FOLDER";
    return [head, "", `goal: ${quoted(tree.goal)}`, ...forbid, ...children, ""].join("\n");
  }
  return { applied, oneLine, yaml, walk };
})();
