//! The queue as a state machine: simulated time, outcomes made up, nothing is sent.

use super::scene::{START_MS, alert, item, message, raised, settings, webhook};
use pulse::alerts::outgoing;
use pulse::model::{Now, Time};
use pulse::notify::settings::{Route, Settings};
use pulse::notify::{Audience, Job, Kind, Message, Notifier, Retry, Sent, subject};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

struct Queue {
    notifier: Notifier,
    ms: i64,
    /// Every content of the file, in the order written.
    files: Vec<Vec<u8>>,
}

impl Queue {
    fn new(settings: Settings) -> Queue {
        Queue {
            notifier: Notifier::new(Arc::new(settings), None, Now::simulated(START_MS)),
            ms: START_MS,
            files: vec![],
        }
    }
    fn now(&self) -> Now {
        Now::simulated(self.ms)
    }
    fn enqueue(&mut self, message: Message) {
        let now = self.now();
        self.notifier.enqueue(message, now);
        self.save();
    }
    fn save(&mut self) {
        let now = self.now();
        if let Some(bytes) = self.notifier.unsaved(now) {
            self.files.push(bytes);
            self.notifier.saved(Ok(()), now);
        }
    }
    fn due(&mut self) -> Vec<Job> {
        let now = self.now();
        self.notifier.due(now)
    }
    fn done(&mut self, job: &Job, sent: Sent) {
        let now = self.now();
        self.notifier.done(job.outcome(sent), now);
        self.save();
    }
    fn pass(&mut self, seconds: i64) {
        self.ms += seconds * 1000;
        self.save();
    }
    /// Runs some seconds, answering every attempt; gives what was attempted when, as (second, channel).
    fn run(&mut self, seconds: i64, mut answer: impl FnMut(&Job) -> Sent) -> Vec<(i64, String)> {
        let mut tried = Vec::new();
        for _ in 0..seconds {
            for job in self.due() {
                tried.push(((self.ms - START_MS) / 1000, job.channel().to_owned()));
                let sent = answer(&job);
                self.done(&job, sent);
            }
            self.pass(1);
        }
        tried
    }
}

fn ok() -> Sent {
    Sent { status: 200, answer: "ok".into(), payload_bytes: 10, ..Sent::default() }
}

fn failed(status: u16, retry: Retry) -> Sent {
    Sent { status, error: Some(format!("Webhook returned HTTP {status}: no")), retry, ..Sent::default() }
}

fn ids(job: &Job) -> Vec<String> {
    job.message().unwrap().items.iter().map(|i| i.alert.id.clone()).collect()
}

fn hook(id: &str) -> pulse::notify::settings::Webhook {
    webhook(json!({"id": id, "url": format!("http://{id}.example/hook")}))
}

#[test]
fn each_enabled_channel_gets_a_message_once() {
    let mut off = hook("off");
    off.enabled = false;
    let mut q = Queue::new(settings(vec![hook("a"), off, hook("b")]));
    q.enqueue(raised(&["x", "y"]));
    let mut seen: Vec<String> = q
        .run(100, |job| {
            assert_eq!(ids(job), ["x", "y"]);
            ok()
        })
        .into_iter()
        .map(|(_, channel)| channel)
        .collect();
    seen.sort();
    assert_eq!(seen, ["a", "b", "email"]);
}

#[test]
fn a_failure_is_tried_three_times_with_growing_waits_and_then_recorded() {
    let mut q = Queue::new(Settings { webhooks: vec![hook("a")], ..Settings::default() });
    q.enqueue(raised(&["x"]));
    let tried = q.run(600, |_| failed(500, Retry::Later));
    let seconds: Vec<i64> = tried.iter().map(|(s, _)| *s).collect();
    assert_eq!(seconds, [0, 5, 25]);
    let history = q.notifier.webhook_history();
    assert_eq!(history.len(), 1);
    let expected = json!({"webhookName":"hook","webhookUrl":"http://a.example/***","service":"","alertId":"x","timestamp":
        Time::from_millis(START_MS + 25_000),"statusCode":500,"success":false,"retryAttempts":2,"payloadSize":0,
        "errorMessage":"Webhook returned HTTP 500: no"});
    assert_eq!(history[0], expected);
}

#[test]
fn the_second_answer_counts() {
    let mut q = Queue::new(Settings { webhooks: vec![hook("a")], ..Settings::default() });
    q.enqueue(raised(&["x"]));
    let mut answers = vec![ok(), failed(500, Retry::Later), failed(503, Retry::Later)];
    assert_eq!(q.run(600, |_| answers.pop().unwrap()).len(), 3);
    let shown = &q.notifier.history(10)[0];
    assert_eq!(
        (&shown["success"], &shown["attempts"], &shown["status"]),
        (&json!(true), &json!(3), &json!("delivered"))
    );
    assert_eq!(shown["tries"][0]["status"], 503);
}

#[test]
fn a_refusal_is_final_and_channels_choose_their_own_patience() {
    let once = webhook(json!({"id":"once","url":"http://once.example/","retryEnabled":false}));
    let often = webhook(json!({"id":"often","url":"http://often.example/","retryCount":4}));
    let mut q = Queue::new(Settings { webhooks: vec![hook("a"), once, often], ..Settings::default() });
    q.enqueue(raised(&["x"]));
    let tried = q.run(3_600, |job| failed(400, if job.channel() == "a" { Retry::No } else { Retry::Later }));
    let count = |id: &str| tried.iter().filter(|(_, channel)| channel == id).count();
    assert_eq!((count("a"), count("once"), count("often")), (1, 1, 5));
}

#[test]
fn a_receiver_that_asks_for_patience_gets_it_for_all_that_goes_there() {
    let same_host = webhook(json!({"id":"b","url":"http://a.example/other"}));
    let mut q = Queue::new(Settings { webhooks: vec![hook("a"), same_host], ..Settings::default() });
    q.enqueue(raised(&["x"]));
    let mut first = true;
    let tried = q.run(200, |_| if std::mem::take(&mut first) { failed(429, Retry::AfterSecs(60)) } else { ok() });
    assert_eq!(tried, [(0, "a".into()), (60, "a".into()), (61, "b".into())], "one host, one second apart");
}

#[test]
fn one_host_is_called_by_one_attempt_at_a_time_and_hanging_ones_do_not_keep_others_waiting() {
    let hooks = (0..12).map(|n| hook(&format!("h{n}"))).collect();
    let mut q = Queue::new(Settings { webhooks: hooks, ..Settings::default() });
    q.enqueue(raised(&["x"]));
    q.enqueue(raised(&["y"]));
    let jobs = q.due();
    let hosts: BTreeSet<String> = jobs.iter().map(|j| j.channel().to_owned()).collect();
    assert_eq!((jobs.len(), hosts.len()), (8, 8), "eight on their way, each to a host of its own");
    q.pass(30);
    assert!(q.due().is_empty(), "none came back");
    q.done(&jobs[0], ok());
    assert_eq!(q.due().len(), 1);
}

#[test]
fn an_attempt_whose_thread_died_is_made_again() {
    let mut q = Queue::new(Settings { webhooks: vec![hook("a")], ..Settings::default() });
    q.enqueue(raised(&["x"]));
    assert_eq!(q.due().len(), 1);
    q.pass(299);
    assert!(q.due().is_empty());
    q.pass(60);
    q.due();
    q.pass(60);
    assert_eq!(q.due().len(), 1);
}

#[test]
fn what_was_switched_off_or_removed_meanwhile_is_not_sent_but_recorded() {
    let mut q = Queue::new(settings(vec![hook("a"), hook("b")]));
    q.enqueue(raised(&["x"]));
    let mut later = settings(vec![hook("b")]);
    later.email.enabled = false;
    later.webhooks[0].enabled = false;
    let now = q.now();
    q.notifier.replace_settings(Arc::new(later), now);
    assert!(q.run(10, |_| ok()).is_empty());
    let mut reasons: Vec<String> =
        q.notifier.history(10).iter().map(|e| e["errorMessage"].as_str().unwrap().to_owned()).collect();
    reasons.sort();
    assert_eq!(
        reasons,
        ["email notifications were switched off", "the webhook was removed", "the webhook was switched off"]
    );
}

#[test]
fn the_main_switch_silences_everything() {
    let mut q = Queue::new(Settings { enabled: false, ..settings(vec![hook("a")]) });
    q.enqueue(raised(&["x"]));
    assert!(q.run(10, |_| ok()).is_empty());
}

#[test]
fn audiences_routes_and_filters_decide_who_gets_what() {
    let pager = webhook(
        json!({"id":"pager","url":"http://pager.example/","service":"pagerduty","headers":{"routing_key":"k"}}),
    );
    let critical_only =
        webhook(json!({"id":"loud","url":"http://loud.example/","filterRules":{"levels":["critical"]}}));
    let mut all = settings(vec![hook("team"), pager, critical_only]);
    all.routes = vec![Route::from_value(json!({"tags":["lab"],"channels":["team"]})).unwrap()];
    let told = |message: Message| {
        let mut q = Queue::new(all.clone());
        q.enqueue(message);
        let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
        q.run(60, |job| {
            out.entry(job.channel().to_owned()).or_default().extend(ids(job));
            ok()
        });
        out.iter().map(|(c, ids)| format!("{c}:{}", ids.join(","))).collect::<Vec<_>>().join(" ")
    };
    let mut lab = item(alert("l", "critical"));
    lab.tags = vec!["LAB".into()];
    let both = vec![item(alert("w", "warning")), item(alert("c", "critical"))];
    assert_eq!(told(message(Kind::Raised, both.clone())), "email:w,c loud:c pager:w,c team:w,c");
    assert_eq!(told(message(Kind::Raised, vec![lab])), "team:l");
    let to = |audience: Audience, kind: Kind| {
        told(Message::new(kind, audience, 1, Time::from_millis(START_MS), both.clone()))
    };
    assert_eq!(to(Audience::Mail, Kind::Escalated), "email:w,c");
    assert_eq!(to(Audience::Webhooks, Kind::Escalated), "loud:c pager:w,c team:w,c");
    assert_eq!(to(Audience::Incidents, Kind::Resolved), "pager:w,c");
    assert_eq!(to(Audience::People, Kind::Raised), "email:w,c loud:c team:w,c");
    assert_eq!(told(Message::acknowledged(alert("w", "warning"), Time::from_millis(START_MS))), "pager:w");
}

#[test]
fn what_the_engine_decided_is_understood() {
    let decided = |kind: outgoing::Kind, audience: outgoing::Audience| {
        Message::decided(outgoing::Outgoing {
            kind,
            audience,
            items: vec![item(alert("x", "critical"))],
            at: Time::from_millis(START_MS),
        })
    };
    use outgoing::{Audience as From, Channels, Kind as Decided};
    let mail = decided(Decided::Escalation { level: 2, channels: Channels::Mail }, From::Everyone);
    assert_eq!((mail.kind, mail.audience, mail.escalation), (Kind::Escalated, Audience::Mail, 2));
    let held = decided(Decided::Held, From::People);
    assert_eq!((held.kind, held.audience), (Kind::Raised, Audience::People));
    let end = decided(Decided::Resolved, From::IncidentTools);
    assert_eq!((end.kind, end.audience), (Kind::Resolved, Audience::Incidents));
}

#[test]
fn a_storm_becomes_few_messages_that_tell_how_many_were_held() {
    let mut q = Queue::new(settings(vec![hook("a")]));
    let (mut messages, mut counted, mut held) = (BTreeMap::<String, u64>::new(), 0, 0);
    let mut words = String::new();
    let mut alerts = (0..1_000).map(|n| format!("vm-{n}-cpu"));
    let began = processor_time();
    let mut minute = Duration::ZERO;
    for second in 0..1_200 {
        // A thousand within a minute, each told of by itself: what grouping would spare the queue comes here.
        for id in alerts.by_ref().take(17) {
            let now = q.now();
            q.notifier.enqueue(raised(&[&id]), now);
        }
        q.run(1, |job| {
            let message = job.message().unwrap();
            *messages.entry(job.channel().to_owned()).or_default() += 1;
            if job.channel() == "email" {
                (counted, held) = (counted + message.count(), held + message.held);
                words = subject(message);
            }
            ok()
        });
        if second == 59 {
            minute = processor_time() - began;
        }
    }
    let written: usize = q.files.iter().map(Vec::len).sum();
    println!(
        "1,000 alerts in a minute: {messages:?} messages in 20 minutes, {held} alerts told of later in one of them; {minute:?} \
        of a processor in that minute, {:?} in all; {} writes of {} kB in all",
        processor_time() - began,
        q.files.len(),
        written / 1000
    );
    assert!(alerts.next().is_none());
    for (channel, sent) in &messages {
        // Ten at once and one each three minutes.
        assert!((2..=17).contains(sent), "{sent} messages to {channel}");
    }
    assert_eq!(counted, 1_000, "every alert is in one message");
    assert!(held > 950, "{held} are said to have been held back");
    assert!(words.contains("Warning alerts"), "{words}");
    assert!(q.files.len() < 60 + messages.len() * 20, "{} writes", q.files.len());
    // 1 % of a core is 600 ms, which this build for tests keeps too when it is alone on the machine.
    assert!(minute.as_millis() < 2_400, "{minute:?}");
}

/// What this thread has used of a processor, however busy the machine is.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux and the value is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

#[test]
fn a_flood_of_alerts_in_one_message_is_bounded() {
    let mut q = Queue::new(settings(vec![]));
    let items = (0..1_000).map(|n| item(alert(&format!("vm-{n}"), "warning"))).collect();
    q.enqueue(message(Kind::Raised, items));
    let mut sizes = Vec::new();
    q.run(5, |job| {
        sizes.push((job.message().unwrap().items.len(), job.message().unwrap().count()));
        ok()
    });
    assert_eq!(sizes, [(500, 1_000)]);
}

#[test]
fn the_queue_is_bounded_when_nothing_can_be_delivered() {
    let pager = webhook(
        json!({"id":"pager","url":"http://pager.example/","service":"pagerduty","headers":{"routing_key":"k"}}),
    );
    let mut q = Queue::new(Settings { webhooks: vec![pager], ..Settings::default() });
    for n in 0..3_000 {
        let now = q.now();
        q.notifier.enqueue(raised(&[&format!("vm-{n}")]), now);
    }
    let (waiting, _, refused) = q.notifier.counts();
    assert_eq!((waiting, refused), (2_000, 1_000));
}

/// Delivered so far, as (channel, key of the message).
type Delivered = BTreeSet<(String, String)>;

/// What is delivered when a process with this file runs on, and the engine decides everything again.
fn after_restart(settings: &Settings, file: Option<&[u8]>, again: &[Message]) -> Vec<(String, String)> {
    let now = Now::simulated(START_MS + 100_000);
    let notifier = Notifier::new(Arc::new(settings.clone()), file, now);
    let mut q = Queue { notifier, ms: START_MS + 100_000, files: vec![] };
    for message in again {
        q.enqueue(message.clone());
    }
    let mut out = Vec::new();
    q.run(2_000, |job| {
        out.push((job.channel().to_owned(), job.message().unwrap().key.clone()));
        ok()
    });
    out
}

#[test]
fn a_kill_at_any_moment_loses_nothing_and_repeats_only_what_was_on_its_way() {
    let settings = settings(vec![hook("a"), hook("b")]);
    let messages: Vec<Message> = (0..4).map(|n| raised(&[&format!("x{n}"), &format!("y{n}")])).collect();
    let wanted: Delivered =
        messages.iter().flat_map(|m| ["email", "a", "b"].map(|c| (c.to_owned(), m.key.clone()))).collect();
    // The life: messages come in, attempts fail and succeed; what was delivered before each write is noted.
    let mut q = Queue::new(settings.clone());
    let mut delivered: Vec<(usize, Delivered)> = Vec::new();
    let mut so_far = Delivered::new();
    let mut count = 0;
    for n in 0..60 {
        if let Some(message) = messages.get(n / 3).filter(|_| n % 3 == 0) {
            q.enqueue(message.clone());
        }
        for job in q.due() {
            count += 1;
            if count % 3 == 0 {
                q.done(&job, failed(500, Retry::Later));
            } else {
                so_far.insert((job.channel().to_owned(), job.message().unwrap().key.clone()));
                q.done(&job, ok());
            }
            delivered.push((q.files.len(), so_far.clone()));
        }
        q.pass(1);
    }
    assert_eq!(so_far, wanted, "the life itself delivers everything");
    assert!(q.files.len() > 8, "{} writes", q.files.len());
    for (written, before) in &delivered {
        let file = written.checked_sub(1).map(|n| q.files[n].as_slice());
        let again = after_restart(&settings, file, &messages);
        let mut all = before.clone();
        all.extend(again.iter().cloned());
        assert_eq!(all, wanted, "killed after write {written}");
        let once: BTreeSet<_> = again.iter().collect();
        assert_eq!(once.len(), again.len(), "twice after one start, killed after write {written}");
    }
    let last = after_restart(&settings, q.files.last().map(Vec::as_slice), &messages);
    assert!(last.is_empty(), "everything was delivered and saved: {last:?}");
}

#[test]
fn any_torn_or_bent_file_gives_what_is_whole_and_forgets_no_message_it_claims_to_know() {
    let settings = settings(vec![hook("a")]);
    let mut q = Queue::new(settings.clone());
    let messages: Vec<Message> = (0..3).map(|n| raised(&[&format!("x{n}")])).collect();
    for message in &messages {
        q.enqueue(message.clone());
    }
    q.run(1, |_| failed(500, Retry::Later));
    q.pass(5);
    let file = q.files.last().unwrap().clone();
    let wanted: Delivered =
        messages.iter().flat_map(|m| ["email", "a"].map(|c| (c.to_owned(), m.key.clone()))).collect();
    for cut in (0..file.len())
        .filter(|cut| cut % 11 == 0 || file[*cut] == b'\n' || cut.checked_sub(1).is_some_and(|c| file[c] == b'\n'))
    {
        let again: Delivered = after_restart(&settings, Some(&file[..cut]), &messages).into_iter().collect();
        assert_eq!(again, wanted, "cut at {cut} of {}", file.len());
    }
    for at in (0..file.len()).step_by(31) {
        let mut bent = file.clone();
        bent[at] ^= 0x11;
        let again: Delivered = after_restart(&settings, Some(&bent), &messages).into_iter().collect();
        assert_eq!(again, wanted, "bent at {at}");
    }
    assert!(after_restart(&settings, Some(b"another format\n"), &[]).is_empty());
}

#[test]
fn the_history_survives_a_restart_and_keys_stay_the_same() {
    let settings = settings(vec![hook("a")]);
    let mut q = Queue::new(settings.clone());
    q.enqueue(raised(&["x"]));
    q.run(5, |_| ok());
    let before = q.notifier.history(10);
    let now = Now::simulated(START_MS + 60_000);
    let reopened = Notifier::new(Arc::new(settings), q.files.last().map(Vec::as_slice), now);
    assert_eq!(reopened.history(10), before);
    assert_eq!(before[0]["key"], before[1]["key"]);
    assert_eq!(before[0]["key"], raised(&["x"]).key);
}

#[test]
fn news_of_yesterday_is_not_delivered_and_a_clock_set_back_delays_nothing_for_long() {
    let settings = Settings { webhooks: vec![hook("a")], ..Settings::default() };
    let mut q = Queue::new(settings.clone());
    q.enqueue(raised(&["x"]));
    q.run(1, |_| failed(500, Retry::AfterSecs(600)));
    q.pass(5);
    let file = q.files.last().unwrap().clone();
    let opened_at = |ms: i64| Queue {
        notifier: Notifier::new(Arc::new(settings.clone()), Some(&file), Now::simulated(ms)),
        ms,
        files: vec![],
    };
    let mut late = opened_at(START_MS + 25 * 3_600_000);
    assert!(late.run(10, |_| ok()).is_empty());
    assert_eq!(late.notifier.history(1)[0]["errorMessage"], "it could not be delivered within a day");
    let mut early = opened_at(START_MS - 300 * 24 * 3_600_000);
    assert_eq!(early.run(3_700, |_| ok()).len(), 1, "within the hour a receiver may ask for");
}

#[test]
fn the_file_is_written_at_once_for_news_and_gathered_for_the_rest() {
    let mut q = Queue::new(settings(vec![hook("a"), hook("b")]));
    q.enqueue(raised(&["x"]));
    assert_eq!(q.files.len(), 1);
    for job in q.due() {
        q.done(&job, ok());
    }
    assert_eq!(q.files.len(), 1, "that it arrived may wait two seconds");
    q.pass(2);
    assert_eq!(q.files.len(), 2);
    q.run(600, |_| ok());
    assert_eq!(q.files.len(), 2, "and a quiet queue writes nothing");
}

#[test]
fn the_engine_may_forget_only_when_all_that_came_in_is_on_disk() {
    let mut notifier = Notifier::new(Arc::new(settings(vec![])), None, Now::simulated(START_MS));
    let now = Now::simulated(START_MS);
    notifier.enqueue(raised(&["x"]), now);
    assert!(notifier.unsaved(now).is_some());
    notifier.enqueue(raised(&["y"]), now);
    assert!(!notifier.saved(Ok(()), now), "the second message is not written yet");
    let later = Now::simulated(START_MS + 2_000);
    assert!(notifier.unsaved(later).is_some());
    assert!(notifier.saved(Ok(()), later));
}

#[test]
fn a_disk_that_refuses_is_asked_again_and_nothing_counts_as_told_until_it_is_written() {
    let mut notifier = Notifier::new(Arc::new(settings(vec![hook("a")])), None, Now::simulated(START_MS));
    let at = |ms: i64| Now::simulated(START_MS + ms);
    notifier.enqueue(raised(&["x"]), at(0));
    assert!(notifier.unsaved(at(0)).is_some());
    assert!(!notifier.saved(Err("failed to write notify-queue: no space left"), at(10)));
    let jobs = notifier.due(at(20));
    assert_eq!(jobs.len(), 2, "it is sent all the same");
    jobs.iter().for_each(|job| notifier.done(job.outcome(ok()), at(30)));
    assert!(notifier.unsaved(at(9_000)).is_none(), "not again and again");
    assert!(notifier.unsaved(at(10_000)).is_some(), "but soon, although nothing new came in");
    assert!(!notifier.saved(Err("failed to write notify-queue: no space left"), at(10_010)));
    assert!(notifier.unsaved(at(20_010)).is_some());
    assert!(notifier.saved(Ok(()), at(20_020)), "now the engine may write that they were told");
    assert!(notifier.unsaved(at(60_000)).is_none());
}

#[test]
fn what_came_in_is_sent_when_it_is_on_disk_so_that_a_crash_repeats_it_under_its_own_key() {
    let mut notifier = Notifier::new(Arc::new(settings(vec![hook("a")])), None, Now::simulated(START_MS));
    let at = |ms: i64| Now::simulated(START_MS + ms);
    notifier.enqueue(raised(&["x"]), at(0));
    assert!(notifier.due(at(1)).is_empty());
    let file = notifier.unsaved(at(1)).unwrap();
    notifier.enqueue(raised(&["y"]), at(2));
    assert!(notifier.due(at(2)).is_empty(), "on its way to the disk is not on disk");
    assert!(!notifier.saved(Ok(()), at(3)));
    let jobs = notifier.due(at(3));
    assert!(jobs.len() == 2 && jobs.iter().all(|job| ids(job) == ["x"]), "the other one is not written");
    let key = jobs[0].message().unwrap().key.clone();
    let again = after_restart(&settings(vec![hook("a")]), Some(&file), &[raised(&["x", "y"])]);
    assert_eq!(
        again.iter().filter(|(_, k)| *k == key).count(),
        2,
        "as before, whatever is decided beside it: {again:?}"
    );
}

#[test]
fn the_heartbeat_beats_at_its_interval_and_tells_how_it_went() {
    let mut s = Settings::default();
    s.set_beside(json!({"heartbeat":{"enabled":true,"url":"https://hc-ping.com/u","intervalMinutes":2}})).unwrap();
    let mut q = Queue::new(s);
    let mut beats = Vec::new();
    for second in 0..601 {
        let now = q.now();
        if q.notifier.heartbeat_due(now) {
            beats.push(second);
            let job = q.notifier.heartbeat(json!({"status":"ok"}), now);
            q.done(&job, if second == 0 { failed(500, Retry::Later) } else { ok() });
        }
        q.pass(1);
    }
    assert_eq!(beats, [0, 120, 240, 360, 480, 600]);
    assert_eq!(q.notifier.heartbeat_state().error, None);
    assert!(q.notifier.history(10).is_empty(), "beats do not push deliveries out of the history");
    assert!(Value::is_array(&json!(q.notifier.webhook_history())));
}
