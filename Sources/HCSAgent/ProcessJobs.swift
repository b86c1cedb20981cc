import HCSHealth
package import HCSModel

/// Whose each process was, lately: the line in which a driver blames one is often read after its end.
package struct ProcessJobs {
    /// Processes that are remembered, and for how long after they were last seen.
    package static let limit = 4096
    package static let keptMilliseconds: Int64 = 60_000

    private struct Sighting {
        var job: WorkloadID
        var atMilliseconds: Int64
    }

    private var seen: [Int32: Sighting] = [:]

    package init() {}

    /// - Parameter now: monotonic, as everywhere here.
    package mutating func note(_ pid: Int32, of job: WorkloadID, at now: Int64) {
        if seen[pid] == nil, seen.count >= Self.limit { forget(at: now) }
        seen[pid] = Sighting(job: job, atMilliseconds: now)
    }

    /// nil for one that was not seen, or too long ago: its number may be another's now.
    package func job(of pid: Int32, at now: Int64) -> WorkloadID? {
        seen[pid].flatMap { now - $0.atMilliseconds <= Self.keptMilliseconds ? $0.job : nil }
    }

    /// What is too old, or else the older half.
    private mutating func forget(at now: Int64) {
        seen = seen.filter { now - $0.value.atMilliseconds <= Self.keptMilliseconds }
        guard seen.count >= Self.limit else { return }
        for (pid, _) in seen.sorted(by: { $0.value.atMilliseconds < $1.value.atMilliseconds }).prefix(Self.limit / 2) {
            seen[pid] = nil
        }
    }

    /// The faults with their jobs: the workload or lease of the process that the driver blames, as far as `jobs` knows it.
    package static func name(_ faults: [Fault], by jobs: [Int32: WorkloadID]) -> [Fault] {
        faults.map { fault in
            guard fault.job == nil, let pid = fault.pid, let job = jobs[pid] else { return fault }
            var named = fault
            named.job = job.text
            return named
        }
    }
}
