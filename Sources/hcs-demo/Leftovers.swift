import Foundation

/// Finds what belongs to one run of the demo by its random directory name, ends it, removes it, and says what stayed.
struct Leftovers {
    let path: String
    let segments: String
    /// Where the daemons' programs are.
    let programs: String

    func remove() -> [String] {
        let deadline = ContinuousClock.now.advanced(by: .seconds(5))
        var processes = owned()
        while !processes.isEmpty, ContinuousClock.now < deadline {
            for process in processes { kill(process, SIGKILL) }
            usleep(20_000)
            processes = owned()
        }
        for directory in [path, segments] { try? FileManager.default.removeItem(atPath: directory) }
        var stayed = processes.map { "process \($0)" }
        stayed += [path, segments].filter { FileManager.default.fileExists(atPath: $0) }
        stayed += mounts()
        return stayed
    }

    /// Living processes whose program, command line or environment names our directories. Our own and dead ones excluded.
    private func owned() -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { $0 != getpid() && isOurs($0) }
    }

    /// A person who looks at our files with a pager is not ours; a workload that runs something else is.
    private func isOurs(_ pid: pid_t) -> Bool {
        guard state(of: pid) != "Z" else { return false }
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/exe")) ?? ""
        if program.hasPrefix(path + "/") { return true }
        if program.hasPrefix(programs + "/"), file("cmdline", of: pid, contains: path) { return true }
        return file("environ", of: pid, contains: "HCS_SEGMENT=\(segments)/")
    }

    private func file(_ name: String, of pid: pid_t, contains text: String) -> Bool {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/\(name)")) else { return false }
        return data.range(of: Data(text.utf8)) != nil
    }

    private func state(of pid: pid_t) -> Character? {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return nil }
        // The name in parentheses may hold anything, so count from its end.
        return stat.lastIndex(of: ")").flatMap { stat[$0...].dropFirst(2).first }
    }

    private func mounts() -> [String] {
        let text = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").filter { $0.contains(path) || $0.contains(segments) }.map { "mount \($0)" }
    }
}
