//! proxmox
