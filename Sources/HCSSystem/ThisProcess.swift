internal import CHCSSystem

/// What a process does to itself. None of it can fail in a way that a caller could mend.
package enum ThisProcess {
    /// Gives up every capability that is not named, for good and for all children (capabilities(7)).
    package static func keepCapabilities(_ names: [String]) {
        _ = hcs_keep_capabilities(Capabilities(named: names).mask)
    }

    /// From now on modules, mounts, namespaces, tracing, BPF and the clock are out of reach (seccomp(2)); call
    /// `refuseNewPrivileges` first. A kernel without seccomp changes nothing.
    package static func refuseAdministration() { _ = hcs_refuse_administration() }

    /// Neither this process nor what it executes gains privileges by setuid programs or file capabilities (PR_SET_NO_NEW_PRIVS).
    package static func refuseNewPrivileges() { _ = hcs_set_no_new_privileges() }

    /// No core files, of children neither: they would hold tokens and users' data.
    package static func disableCoreFiles() { _ = hcs_disable_core_files() }

    /// What `ps` shows for the calling thread, and for the process when it is the first; the kernel keeps 15 bytes.
    package static func nameThread(_ name: String) { _ = hcs_name_thread(name) }

    /// malloc gives large blocks back when they are freed, and threads share two arenas: right for a daemon that needs
    /// much once (libbpf reads 5 MB of the kernel's types for each object) and little from then on.
    package static func keepHeapSmall() { _ = hcs_keep_heap_small() }

    /// Takes code and constants out of this process's memory: what runs again comes back from the page cache, 64 KiB
    /// at a touch, and what only the start needed stays away. The page cache itself stays as it is. Pages that are not the
    /// file's own are left alone. The code of other threads may run meanwhile.
    /// - Returns: bytes that were let go, 0 where /proc does not tell.
    @discardableResult
    package static func unmapIdleCode() -> Int { Int(max(0, hcs_unmap_idle_code())) }
}
