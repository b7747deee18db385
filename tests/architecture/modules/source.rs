//! The modules of one crate as they are written: what each defines, imports and hands on.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemMacro, ItemUse, UseTree,
    visit::{self, Visit},
};

/// The place of a module in [`Source::modules`].
pub(super) type ModuleId = usize;

/// The place of a file in [`Source::files`].
pub(super) type FileId = usize;

/// Everything of a crate that is compiled without `cfg(test)`: a library, and the programs beside it.
pub(super) struct Source {
    /// Below the folder that was read, `/` between the parts.
    pub(super) files: Vec<String>,
    pub(super) modules: Vec<Module>,
    /// `macro_rules!`, which the modules behind them use without a path.
    pub(super) macros: BTreeMap<String, Rules>,
}

/// A `macro_rules!`.
pub(super) struct Rules {
    pub(super) file: FileId,
    /// The names of the types and traits that it defines where it is called.
    defines: Vec<String>,
    /// Every name in it: the macro that is called with it, and the rows that it hands to that.
    names: Vec<String>,
}

/// A module: a file, or `mod name { … }` in one.
pub(super) struct Module {
    pub(super) file: FileId,
    pub(super) root: ModuleId,
    pub(super) parent: Option<ModuleId>,
    /// Without modules, which stand in [`Source::modules`] by themselves.
    pub(super) items: Vec<Item>,
    /// A name may mean a module, a type, a function and a macro at once.
    pub(super) names: BTreeMap<String, Vec<Meaning>>,
    /// The paths of `use path::*`.
    pub(super) globs: Vec<Vec<String>>,
}

/// What a name stands for in the module that has it.
pub(super) enum Meaning {
    Item,
    Module(ModuleId),
    /// An import, also inside a function: the path as it is written.
    Import(Vec<String>),
}

impl Source {
    /// Reads the crate whose sources lie in `folder`.
    pub(super) fn read(folder: &Path) -> Self {
        let mut source = Self {
            files: Vec::new(),
            modules: Vec::new(),
            macros: BTreeMap::new(),
        };
        let mut roots = vec![folder.join("lib.rs"), folder.join("main.rs")];
        let programs = fs::read_dir(folder.join("bin")).into_iter().flatten();
        roots.extend(programs.map(|entry| entry.unwrap().path()));
        for root in roots.into_iter().filter(|root| root.is_file()) {
            source.read_file(folder, &root, None);
        }
        source.name_what_macros_define();
        source
    }

    /// Gives each module the names that the macros of this crate define in it.
    fn name_what_macros_define(&mut self) {
        for id in 0..self.modules.len() {
            let mut defined = Vec::new();
            for called in self.modules[id].items.iter().filter_map(called) {
                let macro_name = called.mac.path.segments.last();
                if let Some(rules) = macro_name.and_then(|n| self.macros.get(&n.ident.to_string()))
                {
                    defined.extend(rules.defines.iter().cloned());
                    defined.extend(headed_by_braces(&called.mac.tokens));
                }
            }
            for name in defined {
                self.mean(id, name, Meaning::Item);
            }
        }
    }

    fn read_file(&mut self, folder: &Path, path: &Path, parent: Option<ModuleId>) -> ModuleId {
        let text = fs::read_to_string(path).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        self.files
            .push(path.strip_prefix(folder).unwrap().display().to_string());
        let file = self.files.len() - 1;
        self.add(folder, &children_of(path), file, parent, parsed.items)
    }

    /// Adds a module and those in it, which lie below `children`.
    fn add(
        &mut self,
        folder: &Path,
        children: &Path,
        file: FileId,
        parent: Option<ModuleId>,
        items: Vec<Item>,
    ) -> ModuleId {
        let id = self.modules.len();
        self.modules.push(Module {
            file,
            root: parent.map_or(id, |parent| self.modules[parent].root),
            parent,
            items: Vec::new(),
            names: BTreeMap::new(),
            globs: Vec::new(),
        });
        let (mut in_macros, mut in_tables) = (Vec::new(), Vec::new());
        for item in items {
            if is_for_tests(attributes(&item)) {
                continue;
            }
            if let Some(called) = called(&item) {
                in_macros.extend(idents(&called.mac.tokens).map(|ident| ident.to_string()));
                let of = called.mac.path.get_ident().map(ToString::to_string);
                let rules = of.and_then(|name| self.macros.get(&name));
                in_tables.extend(rules.into_iter().flat_map(|rules| rules.names.clone()));
            }
            if let Item::Mod(module) = item {
                let name = module.ident.to_string();
                let child = match module.content {
                    Some((_, items)) => {
                        self.add(folder, &children.join(&name), file, Some(id), items)
                    }
                    None => self.read_file(folder, &file_of(children, &name), Some(id)),
                };
                self.mean(id, name, Meaning::Module(child));
                continue;
            }
            if let Some(name) = defines(&item) {
                if let Item::Macro(rules) = &item {
                    let rules = Rules {
                        file,
                        defines: defined_by(&rules.mac.tokens),
                        names: all_idents(&rules.mac.tokens),
                    };
                    self.macros.insert(name.clone(), rules);
                }
                self.mean(id, name, Meaning::Item);
            }
            for import in imports(&item) {
                match import.name {
                    Some(name) => self.mean(id, name, Meaning::Import(import.path)),
                    None if import.is_glob => self.modules[id].globs.push(import.path),
                    None => {} // `as _`: a trait whose methods alone are used
                }
            }
            self.modules[id].items.push(item);
        }
        // A table of modules that a macro has, and hands to another which declares them.
        in_tables.retain(|name| !["mod", "lib", "main"].contains(&&**name));
        for name in in_tables {
            let path = file_of(children, &name);
            if path.is_file() && !self.modules[id].names.contains_key(&name) {
                let child = self.read_file(folder, &path, Some(id));
                self.mean(id, name, Meaning::Module(child));
            }
        }
        // A table of modules: the macro declares them, and hands on what is in them.
        for name in in_macros {
            let path = file_of(children, &name);
            if path.is_file() && !self.modules[id].names.contains_key(&name) {
                let child = self.read_file(folder, &path, Some(id));
                self.modules[id].globs.push(vec![name.clone()]);
                self.mean(id, name, Meaning::Module(child));
            }
        }
        id
    }

    fn mean(&mut self, module: ModuleId, name: String, meaning: Meaning) {
        let names = &mut self.modules[module].names;
        names.entry(name).or_default().push(meaning);
    }
}

/// The folder in which the modules of a file lie.
fn children_of(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap();
    let folder = file.parent().unwrap();
    let is_root = folder.ends_with("bin") || stem == "lib" || stem == "main" || stem == "mod";
    if is_root {
        folder.to_owned()
    } else {
        folder.join(stem)
    }
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(format!("{name}.rs"));
    if file.is_file() {
        file
    } else {
        folder.join(name).join("mod.rs")
    }
}

/// An item that calls a macro.
fn called(item: &Item) -> Option<&ItemMacro> {
    match item {
        Item::Macro(called) if called.ident.is_none() => Some(called),
        _ => None,
    }
}

/// The names among tokens, without those in brackets.
fn idents(tokens: &TokenStream) -> impl Iterator<Item = Ident> {
    tokens.clone().into_iter().filter_map(|token| match token {
        TokenTree::Ident(ident) => Some(ident),
        TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    })
}

/// The names among tokens, and in brackets among them.
fn all_idents(tokens: &TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(ident) => names.push(ident.to_string()),
            TokenTree::Group(group) => names.extend(all_idents(&group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    names
}

/// The types that a macro is given in full: `Name { … }`.
fn headed_by_braces(tokens: &TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    let mut before = None;
    for token in tokens.clone() {
        if let (TokenTree::Group(group), Some(name)) = (&token, before)
            && group.delimiter() == Delimiter::Brace
        {
            names.push(name);
        }
        before = match token {
            TokenTree::Ident(ident) => Some(ident.to_string()),
            TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
        };
    }
    names
}

/// The types and traits that `macro_rules!` defines by a name of its own.
fn defined_by(rules: &TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_definition = false;
    for token in rules.clone() {
        match &token {
            TokenTree::Ident(ident) if is_definition => names.push(ident.to_string()),
            TokenTree::Group(group) => names.extend(defined_by(&group.stream())),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        is_definition = matches!(&token, TokenTree::Ident(ident)
            if ["enum", "struct", "trait", "union"].contains(&&*ident.to_string()));
    }
    names
}

/// The name that an item gives to its module.
fn defines(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether these are the attributes of something that only tests have: `#[test]`, `#[cfg(test)]`.
pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_for_test_builds = attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|condition| condition.is_ident("test"));
        is_for_test_builds || attribute.path().is_ident("test")
    })
}

/// One name of a `use`.
pub(super) struct Import {
    /// As it is written, without the new name.
    pub(super) path: Vec<String>,
    /// What the module calls it; `None` for `*` and `_`.
    pub(super) name: Option<String>,
    pub(super) is_glob: bool,
}

/// Every `use` of an item, also inside its functions.
pub(super) fn imports(item: &Item) -> Vec<Import> {
    struct Collector(Vec<Import>);
    impl<'a> Visit<'a> for Collector {
        fn visit_item_use(&mut self, item: &'a ItemUse) {
            self.0.extend(imports_of(item));
        }
        fn visit_item(&mut self, item: &'a Item) {
            if !is_for_tests(attributes(item)) {
                visit::visit_item(self, item);
            }
        }
    }
    let mut collector = Collector(Vec::new());
    collector.visit_item(item);
    collector.0
}

/// The names of one `use`.
pub(super) fn imports_of(item: &ItemUse) -> Vec<Import> {
    let mut imports = Vec::new();
    flatten(&item.tree, &mut Vec::new(), &mut imports);
    imports
}

fn flatten(tree: &UseTree, before: &mut Vec<String>, imports: &mut Vec<Import>) {
    let mut leaf = |last: Option<String>, name: Option<String>, is_glob| {
        let path = before.iter().cloned().chain(last).collect();
        imports.push(Import {
            path,
            name,
            is_glob,
        });
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, imports);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => leaf(None, before.last().cloned(), false),
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            leaf(Some(name.clone()), Some(name), false);
        }
        UseTree::Rename(renamed) => {
            let last = (renamed.ident != "self").then(|| renamed.ident.to_string());
            let name = (renamed.rename != "_").then(|| renamed.rename.to_string());
            leaf(last, name, false);
        }
        UseTree::Glob(_) => leaf(None, None, true),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before, imports);
            }
        }
    }
}
