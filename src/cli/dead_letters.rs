//! `holdfast dead-letters`: find, understand, replay, discard, restore, edit and export.

mod change;
mod print;
mod replay;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum as _};
use holdfast::domain::reason::Reason;
use holdfast::message::MAX_BODY_BYTES;
use holdfast::ops::dead_letters::api::{DeadLetterGroups, DeadLetterList, EditRequest};
use holdfast::ops::dead_letters::detail::DeadLetterDetail;
use holdfast::ops::dead_letters::edit::Edited;
use holdfast::ops::dead_letters::export::Format;
use holdfast::page;
use holdfast::store::dead_letters::filter::DeadLetterFilter;
use holdfast::store::dead_letters::lists::{LetterPosition, Summary};
use serde_json::json;
use uuid::Uuid;

use super::client::{ApiArguments, ApiClient, print_json};
use super::output::{note, say};

const LETTERS: &str = "/v1/ops/dead-letters";

#[derive(Args)]
pub(super) struct DeadLetterArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: DeadLetterCommand,
}

#[derive(Subcommand)]
enum DeadLetterCommand {
    /// Count them by queue, class of error and message type
    Groups {
        #[command(flatten)]
        filter: DeadLetterFilter,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
    },
    /// List them, those that died last first
    List {
        #[command(flatten)]
        filter: DeadLetterFilter,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
        /// Only those behind this place, as the page before names it
        #[arg(long)]
        after: Option<LetterPosition>,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one with its body, headers, deaths and what was done to it
    Show {
        /// Its id
        id: Uuid,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Send some back to the queues they died in; the workers' pool `replays` does it
    Replay(replay::ReplayArguments),
    /// Look at replays or stop one
    #[command(subcommand)]
    Replays(replay::ReplaysCommand),
    /// Give some up
    Discard(change::DiscardArguments),
    /// Open discarded ones again
    Restore(change::RestoreArguments),
    /// Send a changed copy of one in its place, if the API has HOLDFAST_EDIT_DEAD_LETTERS=true
    Edit(EditArguments),
    /// Write all that match to standard output
    Export {
        #[command(flatten)]
        filter: DeadLetterFilter,
        /// JSON lines or CSV
        #[arg(long, default_value = "jsonl")]
        format: Format,
    },
}

#[derive(Args)]
struct EditArguments {
    /// Its id
    id: Uuid,
    /// A file with the whole new body; `-` is standard input
    #[arg(long)]
    body: PathBuf,
    /// Why
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Option<Reason>,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: DeadLetterArguments) -> anyhow::Result<ExitCode> {
    let api = arguments.api.open()?;
    match arguments.command {
        DeadLetterCommand::Groups { filter, json } => {
            let DeadLetterGroups { groups } =
                api.get(&format!("{LETTERS}/groups?{}", filter.to_query())).await?;
            if json {
                groups.iter().for_each(|group| say!("{}", json!(group)));
            } else {
                print::groups(&groups);
            }
        }
        DeadLetterCommand::List { filter, limit, after, json } => {
            let (letters, next) = pages(&api, &filter, after, limit.into()).await?;
            if json {
                letters.iter().for_each(|letter| say!("{}", json!(letter)));
            } else {
                print::table(&letters);
            }
            if let Some(next) = next {
                note!("there are more: --after {next}");
            }
        }
        DeadLetterCommand::Show { id, json } => {
            let detail: DeadLetterDetail = api.get(&format!("{LETTERS}/{id}")).await?;
            if json { print_json(&detail)? } else { print::letter(&detail) }
        }
        DeadLetterCommand::Replay(arguments) => return replay::replay(&api, arguments).await,
        DeadLetterCommand::Replays(command) => replay::replays(&api, command).await?,
        DeadLetterCommand::Discard(arguments) => return change::discard(&api, arguments).await,
        DeadLetterCommand::Restore(arguments) => return change::restore(&api, arguments).await,
        DeadLetterCommand::Edit(arguments) => edit(&api, arguments).await?,
        DeadLetterCommand::Export { filter, format } => {
            let format = format.to_possible_value().context("a format has a name")?;
            let (query, format) = (filter.to_query(), format.get_name());
            api.download(&format!("{LETTERS}/export?{query}&format={format}")).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// As many pages as the limit takes, or more where what fits is rare: each looks at a part of the letters. Returns where
/// they would go on, too.
async fn pages(
    api: &ApiClient,
    filter: &DeadLetterFilter,
    after: Option<LetterPosition>,
    limit: usize,
) -> anyhow::Result<(Vec<Summary>, Option<String>)> {
    let (mut found, mut after) = (vec![], after.map(|place| place.to_string()));
    loop {
        let place = after.map(|place| format!("&after={place}")).unwrap_or_default();
        let page: DeadLetterList = api.get(&format!("{LETTERS}?{}{place}", filter.to_query())).await?;
        found.extend(page.letters);
        after = page.next;
        if let Some(last) = page::cut(&mut found, limit) {
            let next = LetterPosition::from(last).to_string();
            return Ok((found, Some(next)));
        }
        if found.len() == limit || after.is_none() {
            return Ok((found, after));
        }
    }
}

async fn edit(api: &ApiClient, arguments: EditArguments) -> anyhow::Result<()> {
    let EditArguments { id, body: file, reason, dry_run, json } = arguments;
    let file: Box<dyn Read> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(&file).context("the new body cannot be read")?),
    };
    let mut body = vec![];
    file.take(MAX_BODY_BYTES as u64 + 1).read_to_end(&mut body).context("the new body cannot be read")?;
    ensure!(body.len() <= MAX_BODY_BYTES, "the new body has more than {MAX_BODY_BYTES} bytes");
    let body = String::from_utf8(body).context("the new body is no text")?;
    let request = EditRequest { body, reason, dry_run };
    let edited: Edited = api.post(&format!("{LETTERS}/{id}/edit"), &request).await?;
    if json {
        return print_json(&edited);
    }
    let Edited { id, message_id, difference } = edited;
    print::difference(&difference);
    if dry_run {
        say!("{id} would be replaced by the message {message_id}");
    } else {
        say!("{id} is replaced by the message {message_id}");
    }
    Ok(())
}
