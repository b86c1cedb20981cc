import Foundation
import Testing

@Suite("The source tree")
struct TreeTests {
    static let largestFile = 1 << 20

    @Test("holds no file larger than 1 MiB")
    func sizes() throws {
        for path in try Checkout.files() {
            let size = try FileManager.default.attributesOfItem(atPath: "\(Checkout.root)/\(path)")[.size] as? Int ?? 0
            #expect(size <= Self.largestFile, "\(path) has \(size) bytes")
        }
    }

    @Test("holds no binaries: what is built is built from source")
    func binaries() throws {
        let pictures = [".png", ".svg", ".gif"]
        for path in try Checkout.files() where !pictures.contains(where: { path.hasSuffix($0) }) {
            let head = try head(path)
            #expect(!head.starts(with: [0x7F, 0x45, 0x4C, 0x46]), "\(path) is an ELF file")
            #expect(!head.starts(with: Array("!<arch>".utf8)), "\(path) is an archive of object files")
            #expect(!head.contains(0), "\(path) has NUL bytes: it is no text")
        }
    }

    @Test("knows no path of the machine it was written on")
    func paths() throws {
        // Written in two halves, so that this file does not find itself.
        let homes = ["/ro" + "ot/", "/ho" + "me/", "/wo" + "rk/", "/Us" + "ers/"]
        for path in try Checkout.files() {
            let text = try Checkout.text(path)
            for home in homes where text.contains(home) {
                let line = text.split(separator: "\n").first { $0.contains(home) && !isPlaceholder($0, home) }
                #expect(line == nil, "\(path) names a directory of one machine: \((line ?? "").prefix(120))")
            }
        }
    }

    @Test("gives every package dependency an ADR")
    func decisions() throws {
        let records = try Checkout.files().filter { $0.hasPrefix("docs/adr/") && $0.hasSuffix(".md") }
        let text = try records.map { try Checkout.text($0) }.joined(separator: "\n")
        for package in try Manifest().packages {
            let name = (package.split(separator: "/").last.map(String.init) ?? package).replacingOccurrences(
                of: ".git", with: "")
            #expect(text.contains(name), "no record in docs/adr names \(name)")
        }
    }

    @Test("ignores what is built and what is resolved, in git as in these tests")
    func ignored() throws {
        let lines = Set(try Checkout.text(".gitignore").split(separator: "\n").map(String.init))
        for pattern in [".build/", "Package.resolved", "*.o", "*.so", "*.so.*"] {
            #expect(lines.contains(pattern), ".gitignore lacks \(pattern)")
        }
    }

    @Test("has the pages every reader starts from")
    func pages() throws {
        let files = Set(try Checkout.files())
        for page in [
            "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "docs/architecture.md",
            "docs/vocabulary.md", "docs/testing.md",
        ] {
            #expect(files.contains(page), "\(page) is missing")
        }
    }

    @Test("has no link between its pages that leads nowhere")
    func links() throws {
        for path in try Checkout.files() where path.hasSuffix(".md") {
            let folder = URL(fileURLWithPath: "\(Checkout.root)/\(path)").deletingLastPathComponent()
            for part in try Checkout.text(path).split(separator: "](").dropFirst() {
                guard let target = part.split(separator: ")", omittingEmptySubsequences: false).first else { continue }
                let file = target.split(separator: "#", omittingEmptySubsequences: false)[0]
                guard !file.isEmpty, !file.contains("://"), !file.contains(" ") else { continue }
                let exists = FileManager.default.fileExists(atPath: folder.appendingPathComponent(String(file)).path)
                #expect(exists, "\(path) links to \(file), which is not there")
            }
        }
    }

    private func head(_ path: String) throws -> Data {
        let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: "\(Checkout.root)/\(path)"))
        defer { try? handle.close() }
        return try handle.read(upToCount: 8192) ?? Data()
    }

    /// `/home/<user>/`, `/home/you/`, `/home/u` and the like are examples, not a machine.
    private func isPlaceholder(_ line: Substring, _ home: String) -> Bool {
        line.ranges(of: home).allSatisfy { range in
            let name = line[range.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
            return name.count <= 1 || ["you", "user", "someone"].contains(name)
        }
    }
}
