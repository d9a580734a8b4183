//! What README, ARCHITECTURE and docs say of the repository: every folder has its place, every link and file name leads
//! somewhere, every option and crate has its row, and nobody has to read much to begin.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const README_BYTES: usize = 9_000;
const ARCHITECTURE_BYTES: usize = 16_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What lies in a folder, but for what is not ours: builds, and Git's own.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let ignored = text(".gitignore");
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name != ".git" && !ignored.lines().any(|line| line.trim_matches('/') == name)
    };
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    entries.map(|entry| folder.join(entry.unwrap().file_name())).filter(ours).collect()
}

/// The folders below this one, however deep.
fn folders_below(folder: &Path) -> Vec<PathBuf> {
    let folders = entries(folder).into_iter().filter(|path| root().join(path).is_dir());
    folders.flat_map(|path| [folders_below(&path), vec![path]].concat()).collect()
}

/// The repository's files with this ending.
fn files(ending: &str) -> Vec<PathBuf> {
    let folders = [folders_below(Path::new("")), vec![PathBuf::new()]].concat();
    let files = folders.iter().flat_map(|folder| entries(folder));
    files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

/// The folders on ARCHITECTURE's map, its first block. A path at the left edge is one from the top; a folder that a line
/// tells of lies in the one at its left edge.
fn mapped() -> BTreeSet<PathBuf> {
    let architecture = text("ARCHITECTURE.md");
    let map = architecture.split("```").nth(1).unwrap();
    let mut found = BTreeSet::new();
    let mut place = PathBuf::new();
    for line in map.lines() {
        let (edge, told) = line.split_once("  ").unwrap_or((line, ""));
        if !edge.is_empty() {
            let left: Vec<PathBuf> =
                edge.split(", ").filter(|path| path.ends_with('/')).map(PathBuf::from).collect();
            place = left.first().cloned().unwrap_or_default();
            found.extend(left);
        }
        let folders = told.split([' ', ',', ';', ':', '.', '(', ')']).filter(|word| word.ends_with('/'));
        found.extend(folders.map(|folder| place.join(folder)));
    }
    found
}

#[test]
fn every_folder_is_on_the_map_and_the_map_has_no_other() {
    let mut folders: BTreeSet<PathBuf> =
        entries(Path::new("")).into_iter().filter(|path| root().join(path).is_dir()).collect();
    folders.extend(["src", "workers/src", "tests"].iter().flat_map(|top| folders_below(Path::new(top))));
    let mapped = mapped();
    let missing: Vec<_> =
        folders.iter().filter(|folder| !mapped.iter().any(|place| place.starts_with(folder))).collect();
    assert!(missing.is_empty(), "not on ARCHITECTURE's map: {missing:?}");
    let gone: Vec<_> = mapped.iter().filter(|folder| !root().join(folder).is_dir()).collect();
    assert!(gone.is_empty(), "on ARCHITECTURE's map, and nowhere else: {gone:?}");
}

#[test]
fn readme_and_architecture_stay_short() {
    for (file, most) in [("README.md", README_BYTES), ("ARCHITECTURE.md", ARCHITECTURE_BYTES)] {
        let bytes = text(file).len();
        assert!(bytes <= most, "{file} has {bytes} bytes, more than {most}: move something to docs/");
    }
}

/// A document without its blocks of code.
fn prose(document: &str) -> String {
    document.split("\n```").step_by(2).collect()
}

/// The names that GitHub gives to a document's headings.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let kept = |letter: &char| letter.is_alphanumeric() || "-_ ".contains(*letter);
    headings
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_link_of_every_document_leads_somewhere() {
    let mut links = 0;
    for document in files("md") {
        let text_of_it = text(&document);
        for link in prose(&text_of_it).split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(root().join(&target).exists(), "{}: {link} leads nowhere", document.display());
            let known = anchor.is_empty() || anchors(&prose(&text(&target))).contains(anchor);
            assert!(known, "{}: {link} has no such heading", document.display());
        }
    }
    assert!(links > 100, "only {links} links were found");
}

#[test]
fn every_source_file_that_a_document_names_is_there() {
    let sources: Vec<String> = files("rs").iter().map(|path| format!("/{}", path.display())).collect();
    let mut names = 0;
    for document in files("md") {
        let text = text(&document);
        let words = text.split(|letter: char| !(letter.is_alphanumeric() || "/_-.".contains(letter)));
        for name in words
            .map(|word| word.trim_matches(['.', '/']))
            .filter(|word| word.ends_with(".rs") && *word != "docs.rs")
        {
            names += 1;
            let ending = format!("/{name}");
            assert!(
                sources.iter().any(|path| path.ends_with(&ending)),
                "{} names {name}",
                document.display()
            );
        }
    }
    assert!(names > 100, "only {names} names were found");
}

#[test]
fn every_decision_is_in_the_index() {
    let index = text("docs/decisions/README.md");
    for page in entries(Path::new("docs/decisions")) {
        let name = page.file_name().unwrap().to_string_lossy();
        assert!(
            name == "README.md" || index.contains(&format!("]({name})")),
            "{name} is not in the index of decisions"
        );
    }
}

#[test]
fn every_option_is_in_the_table_of_configuration() {
    let table = text("docs/configuration.md");
    let programs = |path: &PathBuf| path.starts_with("src") || path.starts_with("workers/src");
    let mut options = BTreeSet::new();
    for file in files("rs").into_iter().filter(programs) {
        let code = text(file);
        options.extend(code.split("env = \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    options.remove("USER");
    assert!(options.contains("DATABASE_URL"));
    let missing: Vec<_> = options.iter().filter(|option| !table.contains(&format!("`{option}`"))).collect();
    assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
}

#[test]
fn every_crate_is_in_the_table_of_crates() {
    let table = text("docs/crates.md");
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let told: BTreeSet<&str> =
        rows.flat_map(|row| row.split(" |").next().unwrap().split([' ', ',', '|', '('])).collect();
    for manifest in files("toml").iter().filter(|path| path.ends_with("Cargo.toml")) {
        let manifest = text(manifest);
        let sections = manifest
            .split("\n[")
            .filter(|section| section.split(']').next().unwrap().ends_with("dependencies"));
        for line in sections.flat_map(|section| section.lines().skip(1)).filter(|line| line.contains('=')) {
            let name = line.split([' ', '.', '=']).next().unwrap();
            assert!(name.starts_with("holdfast") || told.contains(name), "{name} is not in docs/crates.md");
        }
    }
}
