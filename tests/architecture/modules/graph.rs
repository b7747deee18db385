//! Which file of a crate takes names from which: paths resolved as the compiler would, and circles among the files.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItemFn, Item, ItemUse, Macro, Meta, VisRestricted,
    visit::{self, Visit},
};

use super::source::{FileId, Meaning, ModuleId, Source, imports_of, is_for_tests};

/// Names that the first file takes from the second.
pub(super) type Ties = BTreeMap<(FileId, FileId), BTreeSet<String>>;

/// All ties of a crate. A file has none to itself.
pub(super) fn ties(source: &Source) -> Ties {
    let mut ties = Ties::new();
    for (id, module) in source.modules.iter().enumerate() {
        let mut reader = Reader {
            source,
            module: id,
            ties: &mut ties,
        };
        for item in &module.items {
            reader.visit_item(item);
        }
    }
    ties
}

/// Where a path leads inside the crate.
enum Target {
    /// A definition, or a name that its module has from a macro or from another crate.
    Item(FileId, String),
    Module(ModuleId),
}

impl Source {
    /// Follows a path that is written in a module. Empty where it leads out of the crate.
    fn resolve(
        &self,
        module: ModuleId,
        path: &[String],
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        let starts = match (&**first, self.modules[module].parent) {
            ("crate", _) => vec![Target::Module(self.modules[module].root)],
            ("self", _) => vec![Target::Module(module)],
            ("super", Some(parent)) => vec![Target::Module(parent)],
            ("super", None) => Vec::new(),
            (name, _) => self.look_up(module, name, seen),
        };
        starts
            .into_iter()
            .flat_map(|start| self.follow(start, rest, seen))
            .collect()
    }

    fn follow(
        &self,
        start: Target,
        rest: &[String],
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Vec<Target> {
        let Target::Module(module) = start else {
            return vec![start]; // what follows is a variant or an associated item
        };
        let Some((name, rest)) = rest.split_first() else {
            return vec![start];
        };
        if let ("super", Some(parent)) = (&**name, self.modules[module].parent) {
            return self.follow(Target::Module(parent), rest, seen);
        }
        let found = self.look_up(module, name, seen);
        if found.is_empty() {
            return vec![Target::Item(self.modules[module].file, name.clone())];
        }
        found
            .into_iter()
            .flat_map(|target| self.follow(target, rest, seen))
            .collect()
    }

    /// What a name means in a module; imports lead to what they import.
    fn look_up(
        &self,
        module: ModuleId,
        name: &str,
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Vec<Target> {
        if !seen.insert((module, name.to_owned())) {
            return Vec::new();
        }
        let here = &self.modules[module];
        let mut found = Vec::new();
        for meaning in here.names.get(name).into_iter().flatten() {
            match meaning {
                Meaning::Item => found.push(Target::Item(here.file, name.to_owned())),
                Meaning::Module(child) => found.push(Target::Module(*child)),
                Meaning::Import(path) => found.extend(self.resolve(module, path, seen)),
            }
        }
        if found.is_empty() {
            for glob in &here.globs {
                for target in self.resolve(module, glob, &mut seen.clone()) {
                    if let Target::Module(from) = target {
                        found.extend(self.look_up(from, name, seen));
                    }
                }
            }
        }
        found
    }
}

/// Walks through one module and notes every path that leads into another file.
struct Reader<'s> {
    source: &'s Source,
    module: ModuleId,
    ties: &'s mut Ties,
}

impl Reader<'_> {
    fn note(&mut self, path: &[String]) {
        let from = self.source.modules[self.module].file;
        for target in self.source.resolve(self.module, path, &mut BTreeSet::new()) {
            match target {
                Target::Item(to, name) if to != from => {
                    self.ties.entry((from, to)).or_default().insert(name);
                }
                Target::Item(..) | Target::Module(_) => {} // a module alone gives nothing: its names do
            }
        }
    }

    /// Paths in what a macro or an attribute is given: names with `::` between them, and single names.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut is_member = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                    path.push(ident.to_string());
                }
                TokenTree::Ident(ident) => {
                    self.note(&std::mem::take(&mut path));
                    if !is_member {
                        path.push(ident.to_string());
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.note(&std::mem::take(&mut path));
                    self.note_tokens(group.stream());
                }
                TokenTree::Literal(literal) => {
                    self.note(&std::mem::take(&mut path));
                    // `#[serde(with = "path")]`
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                        && let Ok(path) = text.parse::<syn::Path>()
                    {
                        self.visit_path(&path);
                    }
                }
                TokenTree::Punct(punct) => {
                    self.note(&std::mem::take(&mut path));
                    is_member = punct.as_char() == '.';
                    colons = 0;
                    continue;
                }
            }
            colons = 0;
            is_member = false;
        }
        self.note(&path);
    }
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() {
            let names: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.note(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        for import in imports_of(item) {
            if !import.is_glob {
                self.note(&import.path);
            }
        }
    }

    fn visit_macro(&mut self, called: &'a Macro) {
        visit::visit_macro(self, called);
        let from = self.source.modules[self.module].file;
        if let Some(name) = called.path.get_ident()
            && let Some(rules) = self.source.macros.get(&name.to_string())
            && rules.file != from
        {
            let names = self.ties.entry((from, rules.file)).or_default();
            names.insert(format!("{name}!"));
        }
        self.note_tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        match &attribute.meta {
            Meta::List(list) => self.note_tokens(list.tokens.clone()),
            Meta::Path(_) | Meta::NameValue(_) => {} // `#[test]`, and documentation
        }
    }

    /// `pub(in path)` takes nothing from the path.
    fn visit_vis_restricted(&mut self, _: &'a VisRestricted) {}

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item(&mut self, item: &'a Item) {
        if let Item::Fn(function) = item
            && is_for_tests(&function.attrs)
        {
            return;
        }
        visit::visit_item(self, item);
    }
}

/// The circles of a crate that are more than a module file with its own children; see [`super`].
pub(super) fn circles(source: &Source, ties: &Ties) -> Vec<BTreeSet<FileId>> {
    let all = (0..source.files.len()).collect();
    let mut circles = Vec::new();
    for component in components(&all, ties) {
        beyond_families(source, ties, component, &mut circles);
    }
    circles
}

fn beyond_families(
    source: &Source,
    ties: &Ties,
    mut component: BTreeSet<FileId>,
    circles: &mut Vec<BTreeSet<FileId>>,
) {
    let head = component.iter().copied().find(|&head| {
        let others = component.iter().filter(|&&file| file != head);
        let mut others = others.map(|&file| &source.files[file]);
        folder_headed_by(&source.files[head])
            .is_some_and(|folder| others.all(|file| file.starts_with(folder)))
    });
    let Some(head) = head else {
        circles.push(component);
        return;
    };
    component.remove(&head);
    for inner in components(&component, ties) {
        beyond_families(source, ties, inner, circles);
    }
}

/// The folder whose module a file is: `a/` of `a/mod.rs`, everything of a `lib.rs` or `main.rs`.
fn folder_headed_by(file: &str) -> Option<&str> {
    match file {
        "lib.rs" | "main.rs" => Some(""),
        _ => file.strip_suffix("mod.rs"),
    }
}

/// The sets of two files and more in which every file leads to every other: the strongly connected components.
fn components(files: &BTreeSet<FileId>, ties: &Ties) -> Vec<BTreeSet<FileId>> {
    let reached = |from: FileId| {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(file) = next.pop() {
            for &(_, to) in ties
                .range((file, 0)..=(file, FileId::MAX))
                .map(|(tie, _)| tie)
            {
                if files.contains(&to) && reached.insert(to) {
                    next.push(to);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<_, _> = files.iter().map(|&file| (file, reached(file))).collect();
    let mut placed = BTreeSet::new();
    let mut components = Vec::new();
    for &file in files {
        if placed.contains(&file) || !reached[&file].contains(&file) {
            continue;
        }
        let component: BTreeSet<_> = reached[&file]
            .iter()
            .copied()
            .filter(|other| reached[other].contains(&file))
            .collect();
        placed.extend(component.iter().copied());
        components.push(component);
    }
    components
}
