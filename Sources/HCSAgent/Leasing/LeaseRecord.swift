import HCSAPI
import HCSModel
import HCSSystem

/// What the agent keeps of a lease over its own restart: `<lease>.json` in the leases directory.
struct LeaseRecord: Hashable, Sendable, Codable {
    var bootID: String
    var id: WorkloadID
    var name: String?
    /// Owner of the segment: who asked.
    var uid: UInt32
    var pid: Int32
    var startTime: UInt64
    var grant: DeviceGrant
    var device: Device
    var createdMilliseconds: Int64

    static func path(_ id: WorkloadID, in directory: String) -> String { "\(directory)/\(id).json" }

    static func all(in directory: String) -> [WorkloadID] {
        ((try? SmallFile.names(in: directory)) ?? []).compactMap { name in
            name.hasSuffix(".json") ? WorkloadID(String(name.dropLast(5))) : nil
        }
    }
}

/// A lease that lives.
struct LeaseEntry {
    var record: LeaseRecord
    /// The last look at its segment.
    var reading = QuotaManager.Reading()
    /// Monotonic: since when neither its process nor a slot was seen.
    var goneSince: Int64?
}

/// Who asks for a lease, as the kernel says.
package struct LeasePeer: Hashable, Sendable {
    /// 0 where the kernel cannot tell (another pid namespace that is not below ours).
    package var pid: Int32
    package var uid: UInt32
    package var gid: UInt32

    package init(pid: Int32, uid: UInt32, gid: UInt32) {
        self.pid = pid
        self.uid = uid
        self.gid = gid
    }
}
