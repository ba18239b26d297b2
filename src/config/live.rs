//! The configuration as the owner holds it: documents with their way to the disk, and the settings that follow from them.
//! Reading happens once at start; afterwards contents come in as messages.

use super::guests::GuestMetadata;
use super::writer::{Outside, Writer};
use super::{
    ALERTS, Change, DataDir, DataFile, EMAIL, ENV, EnvFile, Environment, GUEST_METADATA, Kept, METRICS, NODES, Nodes,
    SYSTEM, Settings, System, Turn, WEBHOOKS,
};
use crate::order::Map;
use std::sync::Arc;

/// Everything read at start. The documents of other rooms are handed on as bytes.
pub struct Opened {
    pub settings: Settings,
    pub system: System,
    pub nodes: Nodes,
    pub guests: GuestMetadata,
    pub alerts: Option<Vec<u8>>,
    pub email: Option<Vec<u8>>,
    pub webhooks: Option<Vec<u8>>,
    pub metrics: Option<Vec<u8>>,
    /// For the log.
    pub remarks: Vec<String>,
    /// What is wrong with a file, by its name.
    pub problems: Map<&'static str, String>,
    env: Environment,
}

impl Opened {
    /// Reads the whole directory. Fails only when starting would be unsafe or senseless: settings out of range, or a
    /// `.env` that cannot be read while nothing else provides credentials.
    pub fn read(dir: &mut DataDir, mut env: Environment) -> Result<Opened, String> {
        let mut problems = Map::new();
        if let Some(why) = dir.locked() {
            problems.insert(super::KEY_FILE, why.to_owned());
        }
        let env_read = dir.read_env(&mut env);
        let system = keep_problem(dir.load(SYSTEM, System::parse), SYSTEM, &mut problems);
        let first_start = system.is_none() && !problems.contains_key(SYSTEM.name);
        let system = system.unwrap_or_default();
        let (settings, mut remarks) = Settings::join(&env, &system).map_err(|errors| errors.join("; "))?;
        if let Some(why) = env_problem(&env_read, &env.data) {
            if !settings.has_credentials() && !settings.auth.disabled {
                return Err(format!("{why}; it may hold the password, so Pulse does not start without authentication"));
            }
            problems.insert(ENV.name, why);
        }
        if first_start && let Err(e) = dir.write(SYSTEM, Some(&system.to_bytes())) {
            problems.insert(SYSTEM.name, e);
        }
        let nodes = keep_problem(dir.load(NODES, Nodes::parse), NODES, &mut problems).unwrap_or_default();
        remarks.extend(unusable(&nodes));
        let guests = keep_problem(dir.load(GUEST_METADATA, GuestMetadata::parse), GUEST_METADATA, &mut problems);
        let mut document = |file: DataFile| keep_problem(dir.load(file, any_json), file, &mut problems);
        let (alerts, email, webhooks) = (document(ALERTS), document(EMAIL), document(WEBHOOKS));
        let metrics = document(METRICS);
        let guests = guests.unwrap_or_default();
        Ok(Opened { settings, system, nodes, guests, alerts, email, webhooks, metrics, remarks, problems, env })
    }
}

fn any_json(bytes: &[u8]) -> Result<Vec<u8>, String> {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map(|_| bytes.to_vec()).map_err(|e| e.to_string())
}

fn keep_problem<T>(loaded: super::Loaded<T>, file: DataFile, problems: &mut Map<&'static str, String>) -> Option<T> {
    if let Some(problem) = loaded.problem {
        problems.insert(file.name, problem);
    }
    loaded.value
}

fn env_problem(read: &Result<(), String>, file: &EnvFile) -> Option<String> {
    match read {
        Err(why) => Some(why.clone()),
        Ok(()) if file.problems.is_empty() => None,
        Ok(()) => Some(format!("failed to read .env: {}", file.problems.join("; "))),
    }
}

fn unusable(nodes: &Nodes) -> Vec<String> {
    let all = nodes.with_ids();
    all.filter_map(|(id, n)| Some(format!("connection {id} ({}) is not polled: {}", n.name, n.problem()?))).collect()
}

/// What the owner has to do after a file was changed from outside.
#[derive(Debug)]
pub enum Effect {
    /// Nothing that matters changed, or the file cannot be read and the running values stay.
    None,
    /// The settings before the change.
    Settings(Arc<Settings>),
    Nodes,
    Guests,
    /// A document of another room, whose parser has the last word.
    Document(DataFile, Vec<u8>),
}

/// See the module.
pub struct Live {
    pub settings: Arc<Settings>,
    pub system: Kept<System>,
    pub nodes: Kept<Nodes>,
    pub guests: Kept<GuestMetadata>,
    pub writer: Writer,
    /// What is wrong with a file, by its name.
    pub problems: Map<&'static str, String>,
    env: Environment,
}

impl Default for Live {
    /// No data directory: defaults, and every write is refused.
    fn default() -> Live {
        Live {
            settings: Arc::new(Settings::default()),
            system: Kept::new(System::default()),
            nodes: Kept::new(Nodes::default()),
            guests: Kept::new(GuestMetadata::default()),
            writer: Writer::nowhere(),
            problems: Map::new(),
            env: Environment::default(),
        }
    }
}

impl Live {
    pub fn new(opened: Opened, writer: Writer) -> Live {
        Live {
            settings: Arc::new(opened.settings),
            system: Kept::new(opened.system),
            nodes: Kept::new(opened.nodes),
            guests: Kept::new(opened.guests),
            writer,
            problems: opened.problems,
            env: opened.env,
        }
    }

    /// The variables in force, for rooms that read one of their own.
    pub fn environment(&self) -> &Environment {
        &self.env
    }

    /// What the settings would be with another system.json.
    pub fn settings_with(&self, system: &System) -> Result<Settings, String> {
        let (mut settings, remarks) = Settings::join(&self.env, system).map_err(|errors| errors.join("; "))?;
        for remark in remarks {
            log::debug!("{remark}");
        }
        // Credentials that were changed while running are the auth room's until the next start.
        settings.auth = self.settings.auth.clone();
        Ok(settings)
    }

    pub fn stage_system(&mut self, next: &Arc<System>) -> Change {
        change(SYSTEM, next.to_bytes(), self.system.stage(next.clone()))
    }
    pub fn stage_nodes(&mut self, next: &Arc<Nodes>) -> Change {
        change(NODES, next.to_bytes(), self.nodes.stage(next.clone()))
    }
    pub fn stage_guests(&mut self, next: &Arc<GuestMetadata>) -> Change {
        change(GUEST_METADATA, next.to_bytes(), self.guests.stage(next.clone()))
    }

    /// Takes in a file that somebody else changed. What cannot be read changes nothing.
    pub fn outside(&mut self, outside: Outside) -> Effect {
        let name = outside.file.name;
        let taken = match outside.content {
            Ok(Some(bytes)) => self.take(outside.file, outside.after, bytes),
            Ok(None) => Err(format!("{name} was removed")),
            Err(why) => Err(why),
        };
        match taken {
            Ok(effect) => {
                self.problems.remove(name);
                effect
            }
            Err(why) => {
                log::warn!("{why}; the running values stay");
                self.problems.insert(name, why);
                Effect::None
            }
        }
    }

    fn take(&mut self, file: DataFile, after: u64, bytes: Vec<u8>) -> Result<Effect, String> {
        let failed = |e: String| format!("failed to read {}: {e}", file.name);
        if file == ENV {
            return self.take_env(&bytes);
        }
        if file == SYSTEM {
            let system = System::parse(&bytes).map_err(failed)?;
            let settings = self.settings_with(&system).map_err(failed)?;
            return Ok(self.take_system(after, system, settings));
        }
        if file == NODES {
            let nodes = Nodes::parse(&bytes).map_err(failed)?;
            let same = nodes == **self.nodes.get();
            return Ok(if self.nodes.outside(after, nodes) && !same { Effect::Nodes } else { Effect::None });
        }
        if file == GUEST_METADATA {
            let guests = GuestMetadata::parse(&bytes).map_err(failed)?;
            return Ok(if self.guests.outside(after, guests) { Effect::Guests } else { Effect::None });
        }
        Ok(Effect::Document(file, any_json(&bytes).map_err(failed)?))
    }

    fn take_system(&mut self, after: u64, system: System, settings: Settings) -> Effect {
        if !self.system.outside(after, system) {
            return Effect::None;
        }
        self.put_settings(settings)
    }

    /// `.env`: a line that cannot be read, or the loss of every credential, changes nothing until a restart.
    fn take_env(&mut self, bytes: &[u8]) -> Result<Effect, String> {
        let file = EnvFile::parse(&String::from_utf8_lossy(bytes), &self.env.process);
        if let Some(why) = env_problem(&Ok(()), &file) {
            return Err(why);
        }
        let env = Environment { data: file, ..self.env.clone() };
        let (settings, _) = Settings::join(&env, self.system.get()).map_err(|errors| errors.join("; "))?;
        if self.settings.has_credentials() && !settings.has_credentials() && !settings.auth.disabled {
            return Err(
                "failed to apply .env: it no longer has any credentials, restart Pulse if that is meant".to_owned()
            );
        }
        self.env = env;
        Ok(self.put_settings(settings))
    }

    /// We wrote `.env` ourselves: its values count from now on, and whoever wrote it has already acted on them.
    pub fn wrote_env(&mut self, bytes: &[u8]) {
        self.env.data = EnvFile::parse(&String::from_utf8_lossy(bytes), &self.env.process);
        if let Ok((settings, _)) = Settings::join(&self.env, self.system.get()) {
            self.settings = Arc::new(settings);
        }
    }

    /// Puts settings in force; the effect tells whether anything differs.
    pub fn put_settings(&mut self, settings: Settings) -> Effect {
        if settings == *self.settings {
            return Effect::None;
        }
        Effect::Settings(std::mem::replace(&mut self.settings, Arc::new(settings)))
    }
}

fn change(file: DataFile, content: Vec<u8>, turn: Turn) -> Change {
    Change { file, content: Some(content), turn: Some(turn) }
}
