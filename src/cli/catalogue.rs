//! `holdfast catalogue`: products and SKUs from a file and into one, as CSV or JSON lines.

mod cells;
mod new_file;
mod rows;
mod told;
mod transfer;

use std::fs::File;
use std::io::{BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use holdfast::domain::catalogue::import::BadLine;
use holdfast::http::routes::catalogue::ExportPage;

use super::client::{ApiArguments, ApiClient, segment};
use super::output::Output;
use new_file::NewFile;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A row for each SKU, with a line of names.
    Csv,
    /// A JSON document on each line, one for each product.
    Jsonl,
}

impl Format {
    /// By the file's name, unless somebody says.
    fn of(said: Option<Self>, file: &Path) -> Self {
        let is_csv = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        said.unwrap_or(if is_csv { Self::Csv } else { Self::Jsonl })
    }
}

#[derive(Args)]
pub(super) struct CatalogueArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: CatalogueCommand,
}

#[derive(Subcommand)]
enum CatalogueCommand {
    /// Make and change products and SKUs as a file says; exit 1 if anything in it is bad. What it does not name stays. All is
    /// checked before anything is changed; after an interruption, run it again
    Import(ImportArguments),
    /// Write all products to a file, or to standard output
    Export {
        /// Where to; `-` is standard output
        #[arg(default_value = "-")]
        file: PathBuf,
        /// CSV or JSON lines, if the file's name does not say
        #[arg(long)]
        format: Option<Format>,
    },
}

#[derive(Args)]
struct ImportArguments {
    /// The file; `-` is standard input
    file: PathBuf,
    /// CSV or JSON lines, if the file's name does not say
    #[arg(long)]
    format: Option<Format>,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Take what is good of a file in which something is bad
    #[arg(long)]
    skip_bad: bool,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: CatalogueArguments) -> anyhow::Result<ExitCode> {
    let api = arguments.api.open()?;
    match arguments.command {
        CatalogueCommand::Import(arguments) => import(&api, arguments).await,
        CatalogueCommand::Export { file, format } => {
            export(&api, &file, Format::of(format, &file)).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What a file says: documents for the API, and what cannot be read.
#[derive(Default)]
struct Told {
    lines: Vec<String>,
    bad: Vec<BadLine>,
}

async fn import(api: &ApiClient, arguments: ImportArguments) -> anyhow::Result<ExitCode> {
    let ImportArguments { file, format, dry_run, skip_bad, json } = arguments;
    let format = Format::of(format, &file);
    let reader: Box<dyn Read> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(&file).with_context(|| format!("{} cannot be read", file.display()))?),
    };
    let told = match format {
        Format::Csv => rows::read(reader)?,
        Format::Jsonl => rows::read_json_lines(BufReader::new(reader))?,
    };
    let checked = transfer::check(api, told).await?;
    let may_apply = checked.report.bad.is_empty() || skip_bad;
    if dry_run || !may_apply {
        told::print(&checked.report, dry_run, json)?;
        return Ok(if checked.report.bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let report = transfer::apply(api, checked, skip_bad).await?;
    told::print(&report, false, json)?;
    Ok(if report.bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn export(api: &ApiClient, file: &Path, format: Format) -> anyhow::Result<()> {
    if file.as_os_str() == "-" {
        let mut out = Output::lock();
        write_all(api, &mut out, format).await?;
        return Ok(out.flush()?);
    }
    let cannot = || format!("{} cannot be written", file.display());
    let mut out = NewFile::begin(file).with_context(cannot)?;
    write_all(api, &mut out, format).await?;
    out.finish().with_context(cannot)
}

/// Writes all products.
async fn write_all(api: &ApiClient, out: &mut impl std::io::Write, format: Format) -> anyhow::Result<()> {
    if format == Format::Csv {
        out.write_all(&rows::names()?)?;
    }
    let mut after = String::new();
    loop {
        let ExportPage { products, next } = api.get(&format!("/v1/catalogue/export{after}")).await?;
        for product in &products {
            match format {
                Format::Csv => out.write_all(&rows::write(product)?)?,
                Format::Jsonl => writeln!(out, "{product}")?,
            }
        }
        let Some(next) = next else { return Ok(()) };
        after = format!("?after={}", segment(&next));
    }
}
