//! Whether the arrows between the modules of `src/` stay down, and the modules small.
//!
//! Own code, as cargo-modules (`--acyclic`) brings rust-analyzer's crates along: ten minutes of compiling for one check.

use crate::paths;
use anyhow::{Context, Result};
use proc_macro2::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A module's path: `["line", "topic"]`; empty for `lib.rs`.
type Module = Vec<String>;

/// What only the browser has: crates whose types the engine must not name.
const BROWSER: [&str; 6] = ["gloo_events", "gloo_net", "js_sys", "wasm_bindgen", "wasm_bindgen_futures", "web_sys"];
/// The most lines of a file and of an impl, without tests, and the most fields of a struct.
const FILE: usize = 400;
const IMPL: usize = 250;
const FIELDS: usize = 12;
/// The most JavaScript files that the shell imports, but for those of the recorder, the inbox and changes, which the browser tests go without.
/// wasm-bindgen-test-runner serves them with tiny_http, whose pool begins with four threads, one a connection, and may lose the next connection of a burst (`task_pool.rs`): with a
/// fifth file Chromium waited for it for ever, in about every other run of the browser tests.
const SNIPPETS: usize = 4;

/// Complaints about the modules of `src/`; none if all is well.
pub fn complaints() -> Result<Vec<String>> {
    let mut sources = BTreeMap::new();
    collect(&paths::root().join("src"), &mut Vec::new(), &mut sources)?;
    check(&sources)
}

fn collect(dir: &Path, module: &mut Module, sources: &mut BTreeMap<Module, String>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("could not list {}", dir.display()))?;
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if path.is_dir() {
            module.push(name.to_owned());
            collect(&path, module, sources)?;
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let own = (name != "mod" && name != "lib").then(|| name.to_owned());
            let source = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
            sources.insert(module.iter().cloned().chain(own).collect(), source);
        }
    }
    Ok(())
}

fn check(sources: &BTreeMap<Module, String>) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut arrows = BTreeMap::new();
    for (module, source) in sources {
        let title = title(module);
        let file = syn::parse_file(source).with_context(|| format!("could not parse {title}"))?;
        let mut reader =
            Reader { module, modules: sources, arrows: BTreeSet::new(), inside: 0, tests: 0, complaints: Vec::new() };
        reader.visit_file(&file);
        let lines = source.lines().count() - reader.tests;
        if lines > FILE {
            reader.complaints.push(format!("has {lines} lines without its tests, of {FILE} at most"));
        }
        complaints.extend(reader.complaints.iter().map(|complaint| format!("{title} {complaint}")));
        arrows.insert(module.clone(), reader.arrows);
    }
    let snippet = |text: &&str| {
        text.starts_with("/src/browser/")
            && text.ends_with(".js")
            && !["recorder", "inbox", "changes"].iter().any(|other| text.contains(other))
    };
    let snippets: BTreeSet<_> = sources.values().flat_map(|source| source.split('"').filter(snippet)).collect();
    if snippets.len() > SNIPPETS {
        complaints.push(format!("browser imports {} JavaScript files, of {SNIPPETS} at most", snippets.len()));
    }
    complaints.extend(circle(&arrows).map(|circle| {
        let names: Vec<_> = circle.iter().map(title).collect();
        format!("modules import in a circle: {}", names.join(" → "))
    }));
    Ok(complaints)
}

fn title(module: &Module) -> String {
    if module.is_empty() { "lib".into() } else { module.join("::") }
}

/// The first circle, if there is one: it ends with the module that it begins with.
fn circle(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|from| walk(from, arrows, &mut Vec::new(), &mut done))
}

fn walk(
    at: &Module,
    arrows: &BTreeMap<Module, BTreeSet<Module>>,
    path: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) -> Option<Vec<Module>> {
    if let Some(start) = path.iter().position(|module| module == at) {
        let circle = path[start..].iter().chain([at]).cloned();
        return Some(circle.collect());
    }
    if done.contains(at) {
        return None;
    }
    path.push(at.clone());
    let found = arrows.get(at)?.iter().find_map(|to| walk(to, arrows, path, done));
    path.pop();
    done.insert(at.clone());
    found
}

/// Reads what a module names.
struct Reader<'a> {
    module: &'a Module,
    modules: &'a BTreeMap<Module, String>,
    arrows: BTreeSet<Module>,
    /// How many modules inside the file we are in.
    inside: usize,
    /// Lines of its tests.
    tests: usize,
    complaints: Vec<String>,
}

impl Reader<'_> {
    /// A path in code or in a `use`.
    fn path(&mut self, segments: &[String]) {
        let Some(first) = segments.first() else { return };
        let in_browser = self.module.first().is_some_and(|module| module == "browser");
        if !in_browser && BROWSER.contains(&first.as_str()) {
            self.complaints.push(format!("names {first}: only the browser's shell may"));
        }
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.module.clone(),
            child => {
                let path: Module = self.module.iter().cloned().chain([child.to_owned()]).collect();
                if !self.modules.contains_key(&path) {
                    return;
                }
                self.module.clone()
            }
        };
        let mut rest = segments;
        let mut inside = self.inside;
        while let [first, behind @ ..] = rest {
            match first.as_str() {
                "super" if inside > 0 => inside -= 1,
                "super" => drop(base.pop()),
                "crate" | "self" => {}
                _ => break,
            }
            rest = behind;
        }
        // Down to the last part that is a module; the others are names in it.
        for segment in rest {
            base.push(segment.clone());
            if !self.modules.contains_key(&base) {
                base.pop();
                break;
            }
        }
        if base != *self.module {
            self.arrows.insert(base);
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            syn::UseTree::Name(syn::UseName { ident, .. }) | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                before.push(ident.to_string());
                self.path(before);
                before.pop();
            }
            syn::UseTree::Glob(_) => self.path(before),
        }
    }
}

fn lines(span: Span) -> usize {
    span.end().line - span.start().line + 1
}

/// Whether it is compiled for tests alone.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        list.tokens.to_string().split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
    })
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        if is_test(&module.attrs) {
            self.tests += lines(module.span());
        } else {
            self.inside += 1;
            visit::visit_item_mod(self, module);
            self.inside -= 1;
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.path(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let lines = lines(item.span());
        if lines > IMPL {
            self.complaints.push(format!("has an impl of {lines} lines, of {IMPL} at most"));
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        let fields = item.fields.len();
        if fields > FIELDS {
            self.complaints.push(format!("has {} with {fields} fields, of {FIELDS} at most", item.ident));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Module, check};

    fn complaints(sources: &[(&str, &str)]) -> Vec<String> {
        let module =
            |path: &str| -> Module { path.split("::").filter(|part| !part.is_empty()).map(Into::into).collect() };
        check(&sources.iter().map(|(path, source)| (module(path), (*source).to_owned())).collect()).unwrap()
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        for back in [
            "use crate::a::Thing;",
            "use super::a;",
            "fn f() { crate::a::g() }",
            "use crate::{a::{self, Thing}};",
            "mod inner { use crate::a::*; }",
        ] {
            let sources = [("", "mod a; mod b;"), ("a", "use crate::b::Other;"), ("b", back)];
            assert_eq!(complaints(&sources), ["modules import in a circle: a → b → a"], "{back}");
        }
        let through_a_folder = [
            ("", ""),
            ("a", "pub mod c; use c::Thing;"),
            ("a::c", "use super::super::b::X;"),
            ("b", "use crate::a::c;"),
        ];
        assert_eq!(complaints(&through_a_folder), ["modules import in a circle: a::c → b → a::c"]);
    }

    #[test]
    fn arrows_that_only_go_down_are_fine_and_tests_may_name_anybody() {
        let sources = [
            ("", "mod a; mod b; pub use a::Thing; mod inner { use super::Thing; }"),
            ("a", "use crate::b::Other; use std::fmt; fn f() { Other::new() } mod inner { use super::f; }"),
            (
                "b",
                "/// See [`crate::a`].\npub struct Other; #[cfg(all(test, unix))] mod tests { use crate::a::Thing; }",
            ),
        ];
        assert_eq!(complaints(&sources), [""; 0]);
    }

    #[test]
    fn a_browsers_type_stays_in_the_browser() {
        let uses = "use js_sys::Array; fn f(v: wasm_bindgen::JsValue) {}";
        assert_eq!(complaints(&[("browser::x", uses)]), [""; 0]);
        assert_eq!(complaints(&[("x", uses)]).len(), 2);
    }

    #[test]
    fn more_files_than_the_test_runner_can_serve_are_told() {
        let named = |count: usize| -> String {
            let names = (0..count).map(|n| format!("const A{n}: &str = \"/src/browser/{n}.js\";"));
            names.collect::<String>()
                + "const R: [&str; 2] = [\"/src/browser/recorder.js\", \"/src/browser/inbox.js\"];"
        };
        assert_eq!(complaints(&[("browser::x", &named(4)), ("browser::y", &named(3))]), [""; 0]);
        assert_eq!(complaints(&[("browser::x", &named(5))]).len(), 1);
    }

    #[test]
    fn what_has_grown_too_far_is_told() {
        let fields: String = (0..13).map(|n| format!("f{n}: u8,")).collect();
        let body = "\n".repeat(300);
        let source = format!("struct Big {{ {fields} }} impl Big {{ {body} }} {}", "\n".repeat(200));
        let said = complaints(&[("x", &source)]);
        assert_eq!(said.len(), 3, "{said:?}");
        let tested = format!("#[cfg(test)] mod tests {{ {} }}", "\n".repeat(900));
        assert_eq!(complaints(&[("x", &tested)]), [""; 0]);
    }
}
