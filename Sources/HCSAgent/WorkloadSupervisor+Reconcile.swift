import Foundation
import HCSAPI
import HCSModel
import HCSSystem
import Logging

extension WorkloadSupervisor {
    /// Makes what runs what is wanted. A new attempt starts only when the old one has ended. What the scheduler does not
    /// name runs on: one that lost its store must not end anything.
    func reconcile(_ desired: [WorkloadID: Assignment], _ now: Int64) {
        for (key, entry) in entries where entry.ended == nil && entry.stopping == nil {
            guard let wanted = desired[key.id], wanted.attempt != key.attempt || wanted.desired == .stop else {
                continue
            }
            logger.info("stopping workload \(entry.record.assignment.spec.name) (\(key))")
            entries[key]?.stopping = Entry.Stop()
            // The signal goes out with the next look at it, which is now.
            watchStopping(key, now)
        }
        for assignment in desired.values.sorted(by: { $0.id < $1.id }).map(wholeDevices) {
            resize(to: assignment)
            let key = AttemptKey(id: assignment.id, attempt: assignment.attempt)
            guard entries[key] == nil, !entries.contains(where: { $0.key.id == key.id && $0.value.ended == nil }) else {
                continue
            }
            guard assignment.desired == .run else {
                notStarted(assignment, "stopped before it was started", planAgain: false)
                continue
            }
            do {
                guard let granted = try admit(assignment, now) else { continue }
                try start(assignment, granted)
            } catch {
                notStarted(assignment, error.message, planAgain: true)
            }
            waitingSince[key] = nil
        }
    }

    /// A device that is given whole is given with all its memory, as this host counts it: then nothing else fits beside it.
    private func wholeDevices(_ assignment: Assignment) -> Assignment {
        var assignment = assignment
        for (i, grant) in assignment.grants.enumerated() where grant.whole == true {
            if let memory = devices[grant.device]?.device.memory { assignment.grants[i].quota = memory }
        }
        return assignment
    }

    /// The granted devices, or nil while it is too early to say (no inventory yet, no sample, an old segment still held).
    private func admit(_ assignment: Assignment, _ now: Int64) throws(AgentError) -> [Device]? {
        func refused(_ why: String) -> AgentError { AgentError(.refused, why) }
        do { try assignment.spec.validate() } catch { throw refused(error.message) }
        guard !assignment.grants.isEmpty else { throw refused("it was granted no device") }
        guard assignment.grants.count <= SegmentFile.deviceCapacity,
            Set(assignment.grants.map(\.device)).count == assignment.grants.count
        else { throw refused("its grants name a device twice, or more than \(SegmentFile.deviceCapacity)") }
        let key = AttemptKey(id: assignment.id, attempt: assignment.attempt)
        let since = waitingSince[key] ?? now
        waitingSince[key] = since
        let tooLate = now - since >= Self.patienceMilliseconds

        var granted: [Device] = []
        for grant in assignment.grants {
            guard let report = devices[grant.device] else {
                guard devices.isEmpty, !tooLate else { throw refused("this host has no device \(grant.device)") }
                return nil
            }
            let device = report.device
            guard device.vendor == grant.vendor, assignment.spec.runtime.vendors.contains(device.vendor) else {
                throw refused(
                    "device \(grant.device) is of \(device.vendor.displayName), which is not what was asked for")
            }
            if let why = report.blocked { throw refused("device \(grant.device) is not given work: \(why)") }
            if report.health.score == nil, !tooLate { return nil }
            guard report.health.band.acceptsWork else {
                let why = report.health.reasons.first.map { ": \($0.detail)" } ?? ""
                throw refused("device \(grant.device) is \(report.health.band.rawValue)\(why)")
            }
            let promised = promised(on: grant.device)
            guard promised.adding(grant.quota) <= device.memory else {
                throw refused(
                    "\(grant.quota) on device \(grant.device) does not fit: \(promised) of \(device.memory) are given out"
                )
            }
            granted.append(device)
        }
        return granted
    }

    /// What live attempts and leases were granted on a device, by the agent's own records.
    func promised(on device: DeviceID) -> ByteCount {
        let assigned = entries.values.filter { $0.ended == nil }.flatMap(\.record.assignment.grants)
        return (assigned + leases.values.map(\.record.grant)).filter { $0.device == device }
            .reduce(.zero) { $0.adding($1.quota) }
    }

    private func start(_ assignment: Assignment, _ granted: [Device]) throws(AgentError) {
        let user = try AgentUser.forWorkloads(named: settings.workloadUser)
        for (what, path) in [("preload library", settings.interceptor)]
        where !FileManager.default.fileExists(atPath: path) {
            throw AgentError(.unavailable, "the agent's \(what) is not at \(path): see hcs-agent --interceptor")
        }
        let simulated = granted.contains(where: \.simulated)
        guard !simulated || granted.allSatisfy(\.simulated), !simulated || settings.simulated != nil else {
            throw AgentError(.refused, "simulated devices cannot be used here")
        }
        let key = AttemptKey(id: assignment.id, attempt: assignment.attempt)
        let environment = try WorkloadEnvironment.make(
            spec: assignment.spec, devices: granted, segment: quotas.path(of: key.id),
            interceptor: settings.interceptor,
            home: user.home, userName: user.name, simulated: simulated ? settings.simulated : nil)
        let record = WorkloadRecord(
            bootID: settings.bootID, assignment: assignment, devices: granted, user: user,
            createdMilliseconds: RealtimeClock.nowMilliseconds(),
            createdMonotonicMilliseconds: MonotonicClock.nowMilliseconds())
        let directory = try makeDirectory(key)
        try quotas.create(
            key.id, limits: QuotaManager.limits(assignment.grants, granted), owner: owner(record),
            group: settings.segmentGroup != nil)
        do {
            // Before the launch: an agent that ends in between finds the record and sees that nothing runs.
            try record.write(to: directory)
            try launcher.start(
                WorkloadLaunch(
                    directory: directory, command: assignment.spec.command, environment: environment,
                    workingDirectory: assignment.spec.workingDirectory ?? "/",
                    user: settings.workloadUser == nil ? nil : user))
        } catch {
            quotas.remove(key.id)
            throw error
        }
        entries[key] = Entry(record: record, directory: directory, startedMilliseconds: record.createdMilliseconds)
        logger.info(
            "workload \(assignment.spec.name) (\(key)) started on \(granted.map(\.id.uuid).joined(separator: ", "))")
    }

    /// An attempt that ends before it began: kept like any other, so that a restarted agent does not try it again.
    private func notStarted(_ assignment: Assignment, _ why: String, planAgain: Bool) {
        let key = AttemptKey(id: assignment.id, attempt: assignment.attempt)
        logger.warning("workload \(assignment.spec.name) (\(key)) not started: \(why)")
        let record = WorkloadRecord(
            bootID: settings.bootID, assignment: assignment, devices: [], user: nil,
            createdMilliseconds: RealtimeClock.nowMilliseconds())
        let directory = "\(settings.directory)/\(key)"
        do {
            _ = try makeDirectory(key)
            try record.write(to: directory)
        } catch { logger.error("the refusal of workload \(key) is not kept: \(error)") }
        entries[key] = Entry(record: record, directory: directory)
        finish(key, ExitStatus(error: why), refused: planAgain ? true : nil, at: nil)
    }

    private func makeDirectory(_ key: AttemptKey) throws(AgentError) -> String {
        let path = "\(settings.directory)/\(key)"
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw AgentError(.io, "could not make \(path): \(error.localizedDescription)") }
        return path
    }

    func remove(directory: String) { try? FileManager.default.removeItem(atPath: directory) }
}
