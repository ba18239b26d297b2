//! What 4.9's documents promise and it did otherwise (contract rest.md 15), and what it got wrong (16), row by row, as far
//! as doors and configuration go: where each row is specified, and the specifications that no other file has.

use super::gate::{Gate, PASSWORD, TOKEN, USER, basic};
use crate::rows::{has_test, sources};
use crate::support::program::Program;
use pulse::config::{Environment, Settings, System, Vars};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// Section 15. The rows that are not here belong to charts, guests, discovery, diagnostics, updates, alerts, notifications
/// and simple-stats.
const PROMISES: &[(u32, &[&str])] = &[
    (1, &["wrong_methods_and_unknown_paths_answer_as_4_9_does", "bodies_are_read_as_4_9_reads_them"]),
    (
        2,
        &[
            "with_a_token_alone_reading_is_open_and_changing_takes_the_token_not_its_hash",
            "row_36_of_the_promises_64_hex_digits_are_a_hash_and_the_log_says_so",
        ],
    ),
    (
        3,
        &[
            "every_route_lets_in_exactly_whom_its_policy_names",
            "every_example_of_the_public_document_gives_the_answer_it_promises",
        ],
    ),
    (4, &["with_a_token_alone_reading_is_open_and_changing_takes_the_token_not_its_hash"]),
    (5, &["a_session_changes_nothing_without_its_own_token", "a_page_that_lost_its_token_is_given_it_again"]),
    (6, &["the_numbers_of_the_public_document_hold"]),
    (7, &["wrong_logins_count_down_and_lock_the_peer", "after_a_lock_there_are_five_attempts_again"]),
    (8, &["a_session_ends_by_logout_by_time_and_not_by_restart"]),
    (14, &["the_answers_have_every_key_and_type_of_4_9"]),
    (15, &["set_up_can_make_the_token_and_leaves_other_settings_alone"]),
    (16, &["changing_the_password_takes_the_current_one"]),
    (17, &["from_this_machine_recovery_opens_pulse_for_an_hour", "a_name_that_points_here_is_not_this_machine"]),
    (18, &["a_link_holds_no_secret_and_the_code_is_told_beside_it"]),
    (19, &["a_code_counts_for_its_product_its_host_and_five_minutes"]),
    (20, &["an_instance_without_credentials_asks_for_a_code_all_the_same"]),
    (21, &["preferences_of_the_page_are_kept_and_the_server_settings_are_checked"]),
    (30, &["the_audit_log_tells_who_did_what_and_no_secret", "changes_of_the_configuration_leave_a_trace"]),
    (31, &["row_31_of_the_promises_https_of_a_trusted_proxy_is_told_and_of_nobody_else"]),
    (
        32,
        &[
            "an_open_instance_may_be_exported_from_its_own_network_only",
            "a_stranger_cannot_pretend_to_be_in_the_private_network",
        ],
    ),
    (34, &["every_route_is_described_and_nothing_else"]),
    (
        35,
        &[
            "row_35_of_the_promises_the_words_of_the_documents_hold",
            "without_the_admin_role_a_user_reads_and_nothing_else",
        ],
    ),
    (36, &["row_36_of_the_promises_64_hex_digits_are_a_hash_and_the_log_says_so"]),
];

/// Section 16. Row 16 and 29 are about how 4.9 was built: what is changed through one way is seen through all others. Rows
/// 34, 35 and 39 have nothing to refuse; 36 and the rest belong to polling and notifications.
const TRAPS: &[(u32, &[&str])] = &[
    (
        0,
        &["no_end_of_a_path_opens_an_api_route", "encodings_of_a_path_are_decoded_once_and_guarded_as_they_are_routed"],
    ),
    (
        1,
        &[
            "nobody_takes_over_an_instance_that_has_any_credential",
            "from_outside_the_first_set_up_takes_the_code_of_the_log",
            "with_only_half_an_account_nobody_gets_in_and_nothing_is_open",
        ],
    ),
    (
        2,
        &[
            "an_instance_without_credentials_asks_for_a_code_all_the_same",
            "a_token_registers_too_and_a_known_host_gets_the_new_secret",
        ],
    ),
    (
        3,
        &[
            "changes_of_the_env_file_never_take_the_credentials_away",
            "a_broken_env_file_stops_the_start_unless_something_else_protects",
        ],
    ),
    (4, &["with_a_token_alone_reading_is_open_and_changing_takes_the_token_not_its_hash"]),
    (5, &["hostile_text_never_becomes_a_script"]),
    (6, &["changing_the_password_takes_the_current_one", "guessing_the_current_password_with_a_stolen_session_locks"]),
    (7, &["a_session_changes_nothing_without_its_own_token"]),
    (
        8,
        &[
            "a_stranger_cannot_pretend_to_be_in_the_private_network",
            "forwarding_headers_count_only_from_a_configured_proxy",
            "ten_thousand_forged_logins_cost_no_memory_and_lock_out_only_who_sent_them",
        ],
    ),
    (
        9,
        &[
            "restarting_leaves_no_flag_and_happens_only_under_systemd",
            "a_flag_left_by_4_9_does_not_open_the_instance_for_ever",
        ],
    ),
    (10, &["a_new_token_is_durable_before_the_old_one_ends", "when_the_disk_refuses_the_old_credentials_stay"]),
    (11, &["a_key_is_never_replaced_and_sealed_files_survive_its_loss"]),
    (12, &["a_bare_host_is_completed_and_a_bad_entry_in_the_file_stops_nothing"]),
    (13, &["row_13_no_request_ends_the_process", "nothing_is_installed_through_the_api"]),
    (
        14,
        &[
            "without_the_admin_role_a_user_reads_and_nothing_else",
            "without_the_admin_role_nobody_is_admin",
            "only_the_secret_makes_the_headers_count",
        ],
    ),
    (
        15,
        &[
            "a_socket_opens_only_for_our_page_when_a_cookie_pays",
            "a_star_counts_only_from_the_environment_and_never_with_credentials",
        ],
    ),
    (16, &["a_connection_is_added_listed_changed_and_removed_at_once"]),
    (17, &["row_17_saving_settings_leaves_env_alone_and_private"]),
    (
        18,
        &[
            "names_and_passwords_that_would_break_files_are_refused",
            "whatever_is_written_is_read_back_and_sets_nothing_else",
        ],
    ),
    (
        19,
        &[
            "a_power_cut_at_any_step_of_an_import_leaves_all_old_or_all_new",
            "row_19_an_import_leaves_account_and_token_as_they_are",
            "set_up_can_make_the_token_and_leaves_other_settings_alone",
        ],
    ),
    (
        20,
        &[
            "a_stale_cookie_does_not_block_the_login",
            "after_a_lock_there_are_five_attempts_again",
            "row_20_a_login_too_many_is_refused_in_json",
        ],
    ),
    (
        21,
        &[
            "odd_cookies_and_tokens_are_just_wrong",
            "garbage_in_cookies_headers_and_bodies_is_refused_and_nothing_else",
            "whatever_is_sent_or_lies_in_a_file_nothing_panics_or_hangs",
        ],
    ),
    (22, &["an_answer_without_a_body_leaves_the_next_one_in_place"]),
    (23, &["row_23_basic_makes_no_session_and_is_compared_once_a_minute"]),
    (
        24,
        &[
            "a_session_lives_a_day_and_survives_a_restart_without_its_cookie_on_disk",
            "logout_clears_both_cookies",
            "changing_the_password_takes_the_current_one",
        ],
    ),
    (
        25,
        &[
            "a_flood_of_addresses_neither_grows_the_table_nor_frees_a_locked_peer",
            "the_table_stays_bounded_under_rotating_addresses",
            "a_code_lives_five_minutes_and_the_table_is_bounded",
            "large_bodies_of_many_share_one_allowance",
        ],
    ),
    (26, &["the_audit_log_tells_who_did_what_and_no_secret", "debug_output_shows_no_secret"]),
    (
        27,
        &[
            "row_88_a_password_can_be_removed_and_is_never_shown",
            "the_receivers_own_words_come_back_bounded_and_without_secrets",
        ],
    ),
    (
        28,
        &[
            "ids_are_strict_and_can_be_guarded_against_a_list_that_moved",
            "changes_that_cross_on_the_way_to_the_disk_are_all_kept",
        ],
    ),
    (
        29,
        &[
            "a_change_is_acknowledged_when_it_is_durable_and_many_changes_lose_nothing",
            "elsewhere_recovery_takes_a_token_and_only_once",
        ],
    ),
    (30, &["a_refusal_tells_when_to_come_back_and_paths_are_not_searched_for_words"]),
    (
        31,
        &[
            "the_first_file_of_4_9_does_not_turn_discovery_off_but_a_choice_does",
            "a_partial_update_keeps_the_rest_counts_at_once_and_survives",
        ],
    ),
    (
        32,
        &[
            "another_site_cannot_change_an_open_instance_or_use_remembered_passwords",
            "an_open_instance_may_be_exported_from_its_own_network_only",
        ],
    ),
    (33, &["the_status_has_every_key_of_4_9_and_tells_strangers_nothing_secret"]),
    (37, &["row_37_files_of_the_page_have_their_types_and_missing_ones_are_missing"]),
    (38, &["every_way_to_write_an_address_is_read", "private_means_private_in_both_families"]),
    (40, &["row_40_a_short_passphrase_is_named_and_no_failure"]),
];

#[test]
fn every_row_of_doors_and_configuration_has_its_tests() {
    let text = sources();
    for (row, tests) in PROMISES.iter().chain(TRAPS) {
        for test in *tests {
            assert!(has_test(&text, test), "row {row}: no {test}");
        }
    }
    let rows: Vec<u32> = TRAPS.iter().map(|(row, _)| *row).collect();
    let without = [34, 35, 36, 39];
    assert_eq!(rows, (0..=40).filter(|row| !without.contains(row)).collect::<Vec<_>>());
}

#[test]
fn row_13_no_request_ends_the_process() {
    let program = Program::open();
    for (path, body) in [
        ("/api/settings/update", json!({ "settings": {}, "restartNow": true })),
        ("/api/updates/apply", json!({ "downloadUrl": "http://127.0.0.1:9/x.tar.gz" })),
        ("/api/security/apply-restart", json!({})),
    ] {
        program.send("POST", path, &body);
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(program.get("/api/health")["status"], "healthy", "{path}");
    }
}

// 4.9 wrote `.env` anew, readable by everybody, whenever settings were saved.
#[test]
fn row_17_saving_settings_leaves_env_alone_and_private() {
    use std::os::unix::fs::MetadataExt;
    let mut gate = Gate::open();
    let setup = json!({ "username": USER, "password": PASSWORD, "generateApiToken": true });
    let token = gate.post("/api/security/quick-setup", &[], &setup).body["apiToken"].as_str().unwrap().to_owned();
    let path = gate.folder.path().join(".env");
    let look = || {
        let meta = std::fs::metadata(&path).unwrap();
        (std::fs::read(&path).unwrap(), meta.mode() & 0o777, meta.ino(), meta.mtime_nsec())
    };
    let before = look();
    let saved = gate.post("/api/system/settings/update", &[("X-API-Token", &token)], &json!({ "pollingInterval": 20 }));
    assert_eq!((saved.status, before.1), (200, 0o600), "{}", saved.text);
    assert_eq!(look(), before);
}

#[test]
fn row_19_an_import_leaves_account_and_token_as_they_are() {
    let mut gate = Gate::closed();
    let passphrase = "words of an export";
    let token = [("X-API-Token", TOKEN)];
    let made = gate.post("/api/config/export", &token, &json!({ "passphrase": passphrase }));
    let body = json!({ "data": made.body["data"], "passphrase": passphrase });
    let env = gate.folder.has(".env").then(|| gate.folder.read(".env"));
    let taken = gate.post("/api/config/import", &token, &body);
    assert_eq!(taken.status, 200, "{}", taken.text);
    assert_eq!(gate.folder.has(".env").then(|| gate.folder.read(".env")), env);
    assert_eq!(gate.get("/api/state", &token).status, 200);
    assert_eq!(gate.login(USER, PASSWORD).status, 200);
    assert_eq!(gate.get("/api/state", &[]).status, 401, "and it did not become open");
}

#[test]
fn row_20_a_login_too_many_is_refused_in_json() {
    let mut gate = Gate::closed();
    let last = (0..12).map(|_| gate.login(USER, PASSWORD)).last().unwrap();
    assert_eq!(last.status, 429);
    assert!(last.body["error"].is_string() && last.header("Retry-After").is_some(), "{}", last.text);
    assert_eq!(last.header("Content-Type"), Some("application/json"));
}

// 4.9 spent a comparison of a quarter of a second, made a session and wrote two files for every such request.
#[test]
fn row_23_basic_makes_no_session_and_is_compared_once_a_minute() {
    let hash = bcrypt::hash(PASSWORD, 10).unwrap();
    let mut gate = Gate::with(&[("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", &hash)]);
    let credentials = basic(USER, PASSWORD);
    let ask = |gate: &mut Gate| {
        let began = std::time::Instant::now();
        let reply = gate.unlimited().get("/api/snapshots", &[("Authorization", &credentials)]);
        assert_eq!((reply.status, reply.cookie("pulse_session")), (200, None));
        began.elapsed()
    };
    let first = ask(&mut gate);
    let later: std::time::Duration = (0..20).map(|_| ask(&mut gate)).sum();
    assert!(later < first * 5, "twenty more took {later:?}, the first {first:?}");
    assert!(gate.desk.core.doors.sessions.is_empty());
    gate.tick();
    assert!(!gate.folder.has("sessions.json"));
    gate.later(std::time::Duration::from_secs(61));
    gate.desk.core.tick();
    let digest = gate.desk.core.doors.digest(USER, PASSWORD);
    assert!(!gate.desk.core.doors.is_remembered(&digest, gate.desk.core.now), "and forgotten after a minute");
}

#[test]
fn row_37_files_of_the_page_have_their_types_and_missing_ones_are_missing() {
    let mut gate = Gate::open();
    let page = gate.get("/", &[]).text;
    let files: Vec<&str> = page.split('"').filter(|part| part.ends_with(".js") || part.ends_with(".css")).collect();
    assert!(files.len() > 1, "{page}");
    for file in files {
        let reply = gate.get(file, &[]);
        let kind = reply.header("Content-Type").unwrap_or_default();
        assert_eq!(reply.status, 200, "{file}");
        assert!(kind.contains(if file.ends_with(".js") { "javascript" } else { "text/css" }), "{file}: {kind}");
        assert!(
            reply.header("Cache-Control").is_some_and(|c| c.contains("immutable")),
            "{file}: a name for each content"
        );
    }
    let missing = gate.get("/assets/nothing-0000.js", &[("Accept", "*/*")]);
    assert_eq!(missing.status, 404);
    assert!(!missing.text.contains("<html"), "{}", missing.text);
}

#[test]
fn row_40_a_short_passphrase_is_named_and_no_failure() {
    let mut gate = Gate::closed();
    let reply = gate.post("/api/config/export", &[("X-API-Token", TOKEN)], &json!({ "passphrase": "elevenchars" }));
    assert_eq!(reply.status, 400);
    assert_eq!(reply.body["error"], "Passphrase must be at least 12 characters long");
}

#[test]
fn row_31_of_the_promises_https_of_a_trusted_proxy_is_told_and_of_nobody_else() {
    let forwarded = [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.7")];
    let told = |vars: &[(&str, &str)]| Gate::with(vars).get("/api/security/status", &forwarded).body;
    let trusted = told(&[("API_TOKEN", TOKEN), ("PULSE_TRUSTED_PROXIES", "192.168.1.20")]);
    assert_eq!((&trusted["hasHTTPS"], &trusted["clientIP"]), (&json!(true), &json!("203.0.113.7")));
    let stranger = told(&[("API_TOKEN", TOKEN)]);
    assert_eq!((&stranger["hasHTTPS"], &stranger["clientIP"]), (&json!(false), &json!("192.168.1.20")));
}

#[test]
fn row_35_of_the_promises_the_words_of_the_documents_hold() {
    let environment = |vars: &[(&str, &str)]| {
        let mut process = Vars::new();
        vars.iter().for_each(|(name, value)| drop(process.insert((*name).to_owned(), (*value).to_owned())));
        Environment { process, ..Environment::default() }
    };
    let port = |vars: &[(&str, &str)]| {
        let system = System::parse(br#"{"frontendPort":7700}"#).unwrap();
        Settings::join(&environment(vars), &system).unwrap().0.port
    };
    assert_eq!((port(&[]), port(&[("PORT", "7800")])), (7700, 7800), "the file counts, below the environment");

    let mut child = Command::new(env!("CARGO_BIN_EXE_pulse"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a password to hash\n").unwrap();
    let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(printed.starts_with("$2b$12$"), "{printed}");
    assert!(bcrypt::verify("a password to hash", printed.trim()).unwrap());

    let proxy = environment(&[("PROXY_AUTH_SECRET", "of the proxy")]);
    let proxy = Settings::join(&proxy, &System::default()).unwrap().0.auth.proxy.unwrap();
    assert_eq!((proxy.admin_role.as_str(), proxy.role_separator.as_str()), ("admin", "|"));
}

#[test]
fn row_36_of_the_promises_64_hex_digits_are_a_hash_and_the_log_says_so() {
    let raw = "0123456789abcdef".repeat(4);
    let program = Program::with(&[("API_TOKEN", &raw)]);
    program.until("the remark", || program.log().contains("choose one of another length").then_some(()));
    assert!(!program.log().contains(&raw));
    let change =
        |token: &str| program.send("POST", &format!("/api/security/reset-lockout?token={token}"), &Value::Null).0;
    assert_eq!(change(&raw), 401, "what is stored as a hash opens nothing");

    let mut gate = Gate::with(&[("API_TOKEN", &pulse::auth::digest::Hash::of("words-that-were-hashed").hex())]);
    assert_eq!(gate.get("/api/security/audit", &[("X-API-Token", "words-that-were-hashed")]).status, 200);
}
