package import Foundation
package import HCSAPI
package import HCSModel
import HCSSystem
import Logging

extension WorkloadSupervisor {
    /// Every attempt that the scheduler still wants to hear of. `samples` are the driver's own figures.
    package func observations(samples: [DeviceID: DeviceSample]) -> [WorkloadObservation] {
        entries.keys.sorted().compactMap { key in
            guard let entry = entries[key], !entry.acknowledged else { return nil }
            if let ended = entry.ended { return ended }
            let reading = look(at: key.id)
            tell(reading.problems, of: key.id)
            return WorkloadObservation(
                id: key.id, attempt: key.attempt, phase: phase(of: entry),
                startedMilliseconds: entry.startedMilliseconds,
                usage: reading.usage, processes: reading.count, driverUsed: driverUsed(entry, reading, samples))
        }
    }

    private func phase(of entry: Entry) -> WorkloadObservation.Phase {
        if entry.stopping != nil { return .stopping }
        if case .running = launcher.state(of: entry.directory) { return .running }
        return .starting
    }

    /// What the driver counts for the workload's processes; nil where a driver names no processes although memory is used.
    private func driverUsed(
        _ entry: Entry, _ reading: QuotaManager.Reading, _ samples: [DeviceID: DeviceSample]
    ) -> ByteCount? {
        var sum = ByteCount.zero
        let procfs = Procfs()
        for usage in reading.usage {
            guard let sample = samples[usage.device] else { return nil }
            if sample.processes.isEmpty, usage.used > .zero { return nil }
            for process in sample.processes where belongs(process.pid, to: entry, reading, procfs) {
                sum = sum.adding(process.memory)
            }
        }
        return sum
    }

    /// A slot is the workload's own claim: its pid counts only when the start time is right and the user is the workload's.
    private func belongs(_ pid: Int32, to entry: Entry, _ reading: QuotaManager.Reading, _ procfs: Procfs) -> Bool {
        if let startTime = reading.processes[pid], startTime > 0, procfs.isAlive(pid: pid, startTime: startTime),
            (try? procfs.uid(of: pid)) == owner(entry.record).uid
        {
            return true
        }
        return launcher.contains(pid, directory: entry.directory)
    }

    /// Each problem once, until it changes.
    func tell(_ problems: [String], of id: WorkloadID) {
        guard toldProblems[id] ?? [] != problems else { return }
        toldProblems[id] = problems.isEmpty ? nil : problems
        for problem in problems { logger.warning("workload \(id): \(problem)") }
    }

    /// Sends the stop signal now, instead of at the next pass.
    func watchStopping(_ key: AttemptKey, _ now: Int64) {
        guard let entry = entries[key], case .running = launcher.state(of: entry.directory) else { return }
        entries[key]?.stopping?.signalledAt = now
        do { try launcher.signal(entry.record.assignment.spec.stopSignal, directory: entry.directory) } catch {
            logger.error("workload \(key): \(error)")
        }
    }

    /// The end of an attempt's output: of the latest attempt of the workload.
    package func logs(of id: WorkloadID, stream: AgentClient.LogStream, tail: Int) throws(AgentError) -> Data {
        guard let key = entries.keys.filter({ $0.id == id }).max(), let entry = entries[key] else {
            throw AgentError(.unavailable, "no workload \(id) runs or ran on this host")
        }
        return try WorkloadLogs.tail(directory: entry.directory, stream: stream.rawValue, bytes: tail)
    }
}
