internal import Glibc

/// A directory of a test's own, removed with all that is in it when the last reference goes. Tests that are killed leave
/// theirs; the next ones take them away.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init(below parent: String = "/tmp") throws {
        _ = Self.swept
        var template = Array("\(parent)/\(Self.prefix)\(getpid())-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(parent: parent, number: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.removeTree(path) }

    private static let prefix = "hcs-test-"

    /// Once for each process: directories named after a process that is no more.
    private static let swept: Void = {
        for parent in ["/tmp", "/dev/shm"] {
            for name in names(in: parent) where name.hasPrefix(prefix) {
                let pid = name.dropFirst(prefix.count).prefix { $0 != "-" }
                guard let pid = pid_t(pid), pid > 0, kill(pid, 0) != 0, errno == ESRCH else { continue }
                removeTree("\(parent)/\(name)")
            }
        }
    }()

    private static func removeTree(_ path: String) {
        // rmdir and unlink through remove(3); a symbolic link is removed, not followed.
        if remove(path) == 0 { return }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return }
        for name in names(in: path) { removeTree("\(path)/\(name)") }
        remove(path)
    }

    private static func names(in directory: String) -> [String] {
        guard let handle = opendir(directory) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { break }
            let name = String(cString: UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self))
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file, making its directories.
    @discardableResult
    package func write(_ text: String, to name: String) throws -> String {
        let target = file(name)
        var index = target.index(after: path.endIndex)
        while let slash = target[index...].firstIndex(of: "/") {
            mkdir(String(target[..<slash]), 0o755)
            index = target.index(after: slash)
        }
        guard let handle = fopen(target, "w") else { throw Failure(parent: target, number: errno) }
        defer { fclose(handle) }
        fputs(text, handle)
        return target
    }

    /// Writes a program that can be run at once. See `install`.
    package func writeProgram(_ text: String, to name: String) throws -> String {
        let source = try write(text, to: "\(name).text")
        defer { unlink(source) }
        return try install(source, as: name)
    }

    /// Copies a program, with mode 0755. Another process does it: a child that a test beside this one is just starting
    /// may hold our descriptors for a moment, and a program that anybody has open for writing cannot be run
    /// ("Text file busy").
    @discardableResult
    package func install(_ source: String, as name: String) throws -> String {
        let target = file(name)
        let words: [String] = ["install", "-m", "755", "--", source, target]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let started = posix_spawnp(&pid, "install", nil, nil, &arguments, environ)
        guard started == 0 else { throw Failure(parent: target, number: started) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { throw Failure(parent: target, number: errno) }
        }
        guard status == 0 else { throw Failure(parent: target, number: EIO) }
        return target
    }

    package struct Failure: Error, CustomStringConvertible {
        let parent: String
        let number: Int32
        package var description: String { "could not write below \(parent): error \(number)" }
    }
}
