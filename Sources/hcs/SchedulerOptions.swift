import ArgumentParser
import Foundation
import HCSAPI

/// Where the scheduler is and what proves that we may talk to it.
struct SchedulerOptions: ParsableArguments {
    static let defaultURL = "http://127.0.0.1:8470"

    @Option(
        name: .long,
        help: ArgumentHelp("Address of the scheduler, such as http://host:8470.", valueName: "url"))
    var scheduler: String?

    @Option(
        name: .long,
        help: ArgumentHelp("File with the token to show to the scheduler.", valueName: "file"),
        completion: .file())
    var tokenFile: String?

    /// Runs `body` with a client of the scheduler.
    func withClient<Value: Sendable>(_ body: @Sendable (SchedulerClient) async throws -> Value) async throws -> Value {
        var url = Self.defaultURL
        return try await withClient(at: &url, body)
    }

    /// As above. `url` is where the scheduler was last: its file is gone while it is restarted, and it may come back
    /// elsewhere.
    func withClient<Value: Sendable>(
        at url: inout String, _ body: @Sendable (SchedulerClient) async throws -> Value
    ) async throws -> Value {
        let paths = LocalPaths.current
        url = try resolveURL(paths, otherwise: url)
        let token = try resolveToken(paths)
        return try await HTTPAPIClient.with(endpoint: .url(url), token: token) { try await body(SchedulerClient($0)) }
    }

    func resolveURL(_ paths: LocalPaths, otherwise known: String = defaultURL) throws -> String {
        let given = scheduler ?? paths.environment["HCS_SCHEDULER"]
        guard let url = given ?? paths.content(paths.schedulerFile("address")) else { return known }
        guard let parsed = URL(string: url), parsed.scheme == "http" || parsed.scheme == "https", parsed.host != nil
        else {
            throw CommandFailure(
                .usage, "the scheduler's address '\(url)' is not understood: write it as \(Self.defaultURL)")
        }
        return url
    }

    /// No token is not an error here: the scheduler says which kind it wants.
    func resolveToken(_ paths: LocalPaths) throws -> String? {
        if let file = tokenFile ?? paths.environment["HCS_TOKEN_FILE"] {
            guard let text = paths.read(file) else {
                throw CommandFailure(
                    .configuration, "cannot read the token file \(file): \(String(cString: strerror(errno)))")
            }
            guard !text.isEmpty else { throw CommandFailure(.configuration, "the token file \(file) is empty") }
            return text
        }
        return paths.content(paths.schedulerFile("admin.token"))
    }
}
