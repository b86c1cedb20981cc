import Foundation
import HCSSystem

/// The two bearer tokens of a scheduler, made at its first start and kept in files of mode 0600.
package struct Tokens: Sendable {
    package enum Role: Sendable { case admin, node }

    private let admin: [UInt8]
    private let node: [UInt8]

    package init(admin: String, node: String) {
        self.admin = Array(admin.utf8)
        self.node = Array(node.utf8)
    }

    /// Reads `admin.token` and `node.token` from the state directory, making what is missing.
    package static func loadOrCreate(stateDirectory: String) throws(SchedulerError) -> Tokens {
        Tokens(
            admin: try token(at: stateDirectory + "/admin.token"), node: try token(at: stateDirectory + "/node.token"))
    }

    private static func token(at path: String) throws(SchedulerError) -> String {
        if FileManager.default.fileExists(atPath: path) {
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                throw SchedulerError(.state, "cannot read the token file \(path): check its owner and mode")
            }
            let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
            guard token.utf8.count >= 32, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                throw SchedulerError(
                    .state,
                    "the token file \(path) holds no token of at least 32 printable characters: delete it to get a new one"
                )
            }
            return token
        }
        var generator = SystemRandomNumberGenerator()
        let token = (0..<4).map { _ in
            let digits = String(UInt64.random(in: .min ... .max, using: &generator), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
        do {
            try AtomicFile.write(Array((token + "\n").utf8), to: path, mode: 0o600)
        } catch {
            throw SchedulerError(.state, "cannot write the token file \(path): \(error)")
        }
        return token
    }

    /// Compares in time that does not depend on where the texts differ.
    package func role(of token: String) -> Role? {
        let bytes = Array(token.utf8)
        let isAdmin = Self.equal(bytes, admin)
        let isNode = Self.equal(bytes, node)
        return isAdmin ? .admin : isNode ? .node : nil
    }

    private static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        var difference = UInt8(a.count == b.count ? 0 : 1)
        for i in b.indices { difference |= (i < a.count ? a[i] : 0) ^ b[i] }
        return difference == 0
    }
}
