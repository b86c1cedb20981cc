import Foundation
package import HCSModel
import HCSSystem

/// Where alerts go and which.
package struct AlertConfiguration: Sendable {
    /// http or https; nil = none.
    package var webhook: String?
    /// File whose content signs what goes to the webhook.
    package var secretFile: String?
    /// A program that gets each alert on its standard input; nil = none.
    package var program: String?
    /// No less than this.
    package var severity: FleetEvent.Severity
    /// One try of the webhook may take so long.
    package var webhookTimeout: Duration = .seconds(5)
    /// The program is killed after this.
    package var programDeadline: Duration = .seconds(10)
    /// Waits between the tries of one alert.
    package var pauses: [Duration] = [.seconds(1), .seconds(5), .seconds(15)]

    package init(
        webhook: String? = nil, secretFile: String? = nil, program: String? = nil,
        severity: FleetEvent.Severity = .warning
    ) {
        self.webhook = webhook
        self.secretFile = secretFile
        self.program = program
        self.severity = severity
    }

    private static let shortestSecret = 16
    private static let longestSecret = 4096

    /// The ways that alerts go. Throws for what can never work.
    func senders() throws(SchedulerError) -> [any AlertSender] {
        var senders: [any AlertSender] = []
        if let webhook {
            guard let url = URLComponents(string: webhook), url.scheme == "http" || url.scheme == "https",
                let host = url.host, !host.isEmpty, url.user == nil, url.password == nil
            else {
                throw SchedulerError(
                    .configuration, "--alert-webhook must be an http or https address without a user in it")
            }
            senders.append(
                WebhookSender(
                    url: webhook, name: "webhook \(host)", secret: try secret(), timeout: webhookTimeout))
        } else if secretFile != nil {
            throw SchedulerError(.configuration, "--alert-secret-file without --alert-webhook")
        }
        if let program {
            guard program.hasPrefix("/"), access(program, X_OK) == 0 else {
                throw SchedulerError(
                    .configuration,
                    "--alert-program '\(program.prefix(200))' must be the absolute path of a program that can be run")
            }
            senders.append(ProgramSender(path: program, deadline: programDeadline))
        }
        return senders
    }

    private func secret() throws(SchedulerError) -> [UInt8]? {
        guard let secretFile else { return nil }
        let bytes: [UInt8]
        do { bytes = try SmallFile.read(secretFile, limit: Self.longestSecret) } catch {
            throw SchedulerError(.configuration, "no secret for the webhook: \(error)")
        }
        let mode = (try? FileManager.default.attributesOfItem(atPath: secretFile)[.posixPermissions]) as? Int
        guard mode.map({ $0 & 0o007 == 0 }) ?? false else {
            throw SchedulerError(.configuration, "everybody may read the secret file \(secretFile): chmod o= it")
        }
        let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard text.utf8.count >= Self.shortestSecret else {
            throw SchedulerError(
                .configuration, "the secret in \(secretFile) has less than \(Self.shortestSecret) bytes")
        }
        return Array(text.utf8)
    }
}
