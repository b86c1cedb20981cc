import Foundation
package import HCSAPI
package import HCSModel
import HCSSystem

/// An attempt at running a workload: one start. Its directory is named after it.
package struct AttemptKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var id: WorkloadID
    package var attempt: Int

    package init(id: WorkloadID, attempt: Int) {
        self.id = id
        self.attempt = attempt
    }

    /// `<uuid>.<attempt>`, as `description` writes it.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let id = WorkloadID(String(parts[0])), let attempt = Int(parts[1]), attempt >= 0,
            String(attempt) == parts[1]
        else { return nil }
        self.init(id: id, attempt: attempt)
    }

    package var description: String { "\(id).\(attempt)" }

    package static func < (a: AttemptKey, b: AttemptKey) -> Bool { (a.id, a.attempt) < (b.id, b.attempt) }
}

/// `spec.json` of an attempt's directory: what the agent needs to know of it after its own restart.
package struct WorkloadRecord: Hashable, Sendable, Codable {
    package static let fileName = "spec.json"

    package var bootID: String
    package var assignment: Assignment
    /// The granted devices, as they were.
    package var devices: [Device]
    package var user: WorkloadUser?
    package var createdMilliseconds: Int64
    /// The same moment by the monotonic clock of this boot: how long it runs must not depend on who sets the wall clock.
    package var createdMonotonicMilliseconds: Int64?
    /// The quotas before the last change: an agent that ended while it changed them may have left them in the segment.
    package var earlierGrants: [DeviceGrant]?

    package init(
        bootID: String, assignment: Assignment, devices: [Device], user: WorkloadUser?, createdMilliseconds: Int64,
        createdMonotonicMilliseconds: Int64? = nil
    ) {
        self.bootID = bootID
        self.assignment = assignment
        self.devices = devices
        self.user = user
        self.createdMilliseconds = createdMilliseconds
        self.createdMonotonicMilliseconds = createdMonotonicMilliseconds
    }

    package var key: AttemptKey { AttemptKey(id: assignment.id, attempt: assignment.attempt) }

    func write(to directory: String) throws(AgentError) { try Self.write(self, to: "\(directory)/\(Self.fileName)") }

    static func read(from directory: String) throws(AgentError) -> WorkloadRecord {
        try read(WorkloadRecord.self, from: "\(directory)/\(fileName)")
    }

    /// Smallest JSON file handling for the attempt's own files.
    static func write(_ value: some Encodable, to path: String) throws(AgentError) {
        do { try AtomicFile.write(Array(try HCSJSON.encode(value)), to: path) } catch {
            throw AgentError(.io, "could not keep \(path): \(error)")
        }
    }

    static func read<Value: Decodable>(_ type: Value.Type, from path: String) throws(AgentError) -> Value {
        do { return try HCSJSON.decode(type, from: Data(try SmallFile.read(path, limit: 8 << 20))) } catch let error
            as SystemError
        {
            throw AgentError(error.code == .notFound ? .unavailable : .io, error.message)
        } catch {
            throw AgentError(.configuration, "\(path) is damaged: \(HCSJSON.explain(error))")
        }
    }
}
