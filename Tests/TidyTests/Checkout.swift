import Foundation

/// The source tree these tests were compiled from. Read-only.
struct Checkout {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().standardizedFileURL.path

    /// Directories that hold what was built or fetched, never what was written.
    private static let skipped: Set<String> = [".git", ".build", ".swiftpm", ".vscode", "node_modules"]

    /// Every file of the tree by its path below the root, sorted; ignored ones (`.gitignore`) are left out.
    static func files() throws -> [String] {
        var found: [String] = []
        var waiting = [""]
        while let directory = waiting.popLast() {
            for name in try FileManager.default.contentsOfDirectory(atPath: "\(root)/\(directory)") {
                let path = directory.isEmpty ? name : "\(directory)/\(name)"
                var isDirectory: ObjCBool = false
                guard FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isDirectory) else {
                    continue
                }
                if isDirectory.boolValue {
                    if !skipped.contains(name), !name.hasPrefix(".build") { waiting.append(path) }
                } else if !isIgnored(name) {
                    found.append(path)
                }
            }
        }
        return found.sorted()
    }

    /// As `.gitignore` says; a test compares the two.
    static let ignoredSuffixes = [".o", ".so"]
    static func isIgnored(_ name: String) -> Bool {
        name == "Package.resolved" || name.contains(".so.") || ignoredSuffixes.contains { name.hasSuffix($0) }
    }

    static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: "\(root)/\(path)")), as: UTF8.self)
    }

    static func swiftFiles(under directory: String) throws -> [String] {
        try files().filter { $0.hasPrefix("\(directory)/") && $0.hasSuffix(".swift") }
    }

    static func folders(under directory: String) throws -> [String] {
        Set(try files().filter { $0.hasPrefix("\(directory)/") }.map { String($0.split(separator: "/")[1]) }).sorted()
    }
}
