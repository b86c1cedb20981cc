internal import CHCSSystem

/// What a process does to itself. None of it can fail in a way that a caller could mend.
package enum ThisProcess {
    /// Neither this process nor what it executes gains privileges by setuid programs or file capabilities (PR_SET_NO_NEW_PRIVS).
    package static func refuseNewPrivileges() { _ = hcs_set_no_new_privileges() }

    /// No core files, of children neither: they would hold tokens and users' data.
    package static func disableCoreFiles() { _ = hcs_disable_core_files() }

    /// What `ps` shows for the calling thread, and for the process when it is the first; the kernel keeps 15 bytes.
    package static func nameThread(_ name: String) { _ = hcs_name_thread(name) }
}
