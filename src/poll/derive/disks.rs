//! Physical disks and ZFS pools.
//!
//! SMART is only read of disks that have nothing to spin: asking a sleeping hard disk wakes it, and the API has no way
//! to ask whether it sleeps. Its health is then `UNKNOWN`.

use crate::model::{PhysicalDisk, Temperature, ZfsPool};
use crate::proxmox::pve::{DiskItem, SmartReport, ZfsItem};

/// A disk of a node. `smart` is its own report, if it was asked for.
pub fn disk(instance: &str, node: &str, item: &DiskItem, smart: Option<&SmartReport>) -> PhysicalDisk {
    let health = smart.map(|s| s.health.as_str()).filter(|h| !h.is_empty()).unwrap_or(&item.health);
    PhysicalDisk {
        instance: instance.to_owned(),
        node: node.to_owned(),
        device: item.devpath.clone(),
        model: item.model.trim().to_owned(),
        serial: item.serial.trim().to_owned(),
        size: item.size.unwrap_or(0),
        r#type: sort(&item.kind).to_owned(),
        health: verdict(health).to_owned(),
        wearout: item.wearout.or_else(|| smart.and_then(wearout)).filter(|w| (0.0..=100.0).contains(w)),
        used: item.used.clone(),
    }
}

/// Whether a disk can be asked for SMART without waking it.
pub fn never_sleeps(item: &DiskItem) -> bool {
    matches!(item.kind.as_str(), "ssd" | "nvme") && item.devpath.starts_with("/dev/")
}

fn sort(kind: &str) -> &'static str {
    match kind {
        "ssd" => "ssd",
        "hdd" => "hdd",
        "nvme" => "nvme",
        _ => "unknown",
    }
}

/// ATA disks say `PASSED`, SAS and others `OK`.
fn verdict(health: &str) -> &'static str {
    match health.to_ascii_uppercase().as_str() {
        "PASSED" | "OK" => "PASSED",
        "" | "UNKNOWN" | "N/A" => "UNKNOWN",
        _ => "FAILED",
    }
}

/// Percent of the rated life that is left: from the attribute that vendors use for it, or from NVMe's words.
fn wearout(smart: &SmartReport) -> Option<f64> {
    const LEFT: [&str; 8] = [
        "Media_Wearout_Indicator",
        "SSD_Life_Left",
        "Wear_Leveling_Count",
        "Percent_Lifetime_Remain",
        "Remaining_Lifetime_Perc",
        "Perc_Rated_Life_Remain",
        "Percent_Life_Remaining",
        "Drive_Life_Remaining%",
    ];
    let by_name = |name: &&str| smart.attributes.iter().find(|a| a.name == **name).and_then(|a| a.value);
    LEFT.iter().find_map(by_name).or_else(|| Some(100.0 - after(&smart.text, "Percentage Used:")?))
}

/// The temperature in a report, in degrees Celsius.
pub fn temperature(device: &str, smart: &SmartReport) -> Option<Temperature> {
    let raw = |name: &str| {
        let attribute = smart.attributes.iter().find(|a| a.name == name)?;
        attribute.raw.split_whitespace().next()?.parse::<f64>().ok()
    };
    let celsius = raw("Temperature_Celsius")
        .or_else(|| raw("Airflow_Temperature_Cel"))
        .or_else(|| after(&smart.text, "Temperature:"))
        .or_else(|| after(&smart.text, "Current Drive Temperature:"))?;
    (-40.0..=150.0).contains(&celsius).then(|| Temperature { sensor: device.to_owned(), celsius })
}

/// The number behind a label at the start of a line: `Percentage Used:   3%`.
fn after(text: &str, label: &str) -> Option<f64> {
    let rest = text.lines().find_map(|l| l.trim_start().strip_prefix(label))?;
    rest.split_whitespace().next()?.trim_end_matches('%').parse().ok()
}

/// A pool of a node; `None` without a name.
pub fn pool(instance: &str, node: &str, item: &ZfsItem) -> Option<ZfsPool> {
    (!item.name.is_empty()).then(|| ZfsPool {
        instance: instance.to_owned(),
        node: node.to_owned(),
        name: item.name.clone(),
        health: item.health.clone(),
        size: item.size.unwrap_or(0),
        allocated: item.alloc.unwrap_or(0),
        free: item.free.unwrap_or(0),
        fragmentation: item.frag.unwrap_or(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(json: &str) -> DiskItem {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn health_and_life_come_from_the_list_or_the_disk_s_own_report() {
        let listed =
            item(r#"{"devpath":"/dev/sda","type":"ssd","health":"OK","wearout":"97","size":"100","used":"ZFS"}"#);
        let d = disk("lab", "a", &listed, None);
        assert_eq!((d.health.as_str(), d.wearout, d.size, d.used.as_str()), ("PASSED", Some(97.0), 100, "ZFS"));
        let asleep = item(r#"{"devpath":"/dev/sdb","type":"hdd","health":"UNKNOWN","wearout":"N/A"}"#);
        let d = disk("lab", "a", &asleep, None);
        assert_eq!((d.health.as_str(), d.wearout, never_sleeps(&asleep)), ("UNKNOWN", None, false));
        let nvme = item(r#"{"devpath":"/dev/nvme0n1","type":"nvme","health":"UNKNOWN"}"#);
        let smart: SmartReport = serde_json::from_str(
            r#"{"health":"PASSED","type":"text","text":"\nSMART/Health\nTemperature:   41 Celsius\nPercentage Used:  3%\n"}"#,
        )
        .unwrap();
        let d = disk("lab", "a", &nvme, Some(&smart));
        assert_eq!((d.health.as_str(), d.wearout, never_sleeps(&nvme)), ("PASSED", Some(97.0), true));
        assert_eq!(temperature("/dev/nvme0n1", &smart).unwrap().celsius, 41.0);
        let ata: SmartReport = serde_json::from_str(
            r#"{"health":"FAILED!","attributes":[{"name":"Wear_Leveling_Count","value":" 88","raw":"120"},
                {"name":"Temperature_Celsius","value":"70","raw":"30 (Min/Max 20/45)"}]}"#,
        )
        .unwrap();
        let d = disk("lab", "a", &nvme, Some(&ata));
        assert_eq!((d.health.as_str(), d.wearout), ("FAILED", Some(88.0)));
        assert_eq!(temperature("x", &ata).unwrap().celsius, 30.0);
    }
}
