internal import Glibc

/// A user of this host with the groups a process of that user must have.
package struct UserAccount: Hashable, Sendable {
    package var name: String
    package var uid: UInt32
    package var gid: UInt32
    /// All groups, the primary one included.
    package var groups: [UInt32]
    package var home: String

    /// Looks a name up; nil when the host does not know it. May block on a name service: not for the cooperative pool.
    package static func named(_ name: String) -> UserAccount? {
        lookUp { entry, buffer, size, result in getpwnam_r(name, entry, buffer, size, result) }
    }

    package static func withID(_ uid: UInt32) -> UserAccount? {
        lookUp { entry, buffer, size, result in getpwuid_r(uid, entry, buffer, size, result) }
    }

    private typealias Call = (
        UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
        UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
    ) -> Int32

    private static func lookUp(_ call: Call) -> UserAccount? {
        var size = 4096
        while size <= 1 << 20 {
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            let account: UserAccount?? = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { buffer in
                guard let base = buffer.baseAddress else { return .some(nil) }
                switch call(&entry, base, size, &found) {
                case 0:
                    guard found != nil, let name = entry.pw_name else { return .some(nil) }
                    let home = entry.pw_dir.map { String(cString: $0) } ?? "/"
                    return UserAccount(
                        name: String(cString: name), uid: entry.pw_uid, gid: entry.pw_gid,
                        groups: groups(of: name, gid: entry.pw_gid), home: home)
                case ERANGE: return nil
                default: return .some(nil)
                }
            }
            if let account { return account }
            size *= 4
        }
        return nil
    }

    private static func groups(of name: UnsafePointer<CChar>, gid: gid_t) -> [gid_t] {
        var count: Int32 = 64
        var groups = [gid_t](repeating: 0, count: Int(count))
        if getgrouplist(name, gid, &groups, &count) < 0 {
            count = min(max(count, 64), 65536)  // NGROUPS_MAX
            groups = [gid_t](repeating: 0, count: Int(count))
            guard getgrouplist(name, gid, &groups, &count) >= 0 else { return [gid] }
        }
        return Array(groups.prefix(Int(count)))
    }
}
