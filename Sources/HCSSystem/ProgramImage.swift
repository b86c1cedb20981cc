internal import Glibc

/// A program as the kernel and the dynamic loader would put it together, without running any of it.
package struct ProgramImage: Equatable, Sendable {
    /// A library that the loader would load at the start.
    package struct Library: Equatable, Sendable {
        /// As it is asked for.
        package var name: String
        package var image: ELFImage
        /// The first file that asks for it.
        package var neededBy: String

        package init(name: String, image: ELFImage, neededBy: String) {
            self.name = name
            self.image = image
            self.neededBy = neededBy
        }
    }

    package struct Missing: Equatable, Sendable {
        package var name: String
        package var neededBy: String

        package init(name: String, neededBy: String) {
            self.name = name
            self.neededBy = neededBy
        }
    }

    /// As it was given.
    package var requested: String
    /// The scripts that lead to the program: the one that was given and, for `env`, the path of that.
    package var scripts: [String] = []
    package var image: ELFImage
    /// In the order of loading, without the program itself.
    package var libraries: [Library] = []
    package var missing: [Missing] = []
    /// Set where the limits ended the search: a sentence for people.
    package var incomplete: String?

    package init(requested: String, image: ELFImage) {
        self.requested = requested
        self.image = image
    }

    /// Whether the kernel makes the loader ignore preloads, for a caller who is not the file's owner.
    package var isSecure: Bool { image.isSetUser || image.isSetGroup || image.hasCapabilities }
}

extension ProgramImage {
    /// Far above what is seen: PyTorch loads about 60.
    static let maximumLibraries = 512

    /// Reads a program and all that is loaded with it.
    /// - Parameter commandPath: the value of `PATH`, for scripts that start `env`.
    package init(
        reading requested: String, search: LoaderSearch, commandPath: String, _ interest: ELFInterest
    ) throws(SystemError) {
        let (scripts, program) = try Self.followScripts(from: requested, commandPath: commandPath)
        self.init(requested: requested, image: try ELFImage(reading: Self.real(program), interest))
        self.scripts = scripts
        load(search, interest)
    }

    // MARK: Scripts

    /// The kernel reads 256 bytes of the first line and follows five interpreters.
    private static func followScripts(
        from path: String, commandPath: String
    ) throws(SystemError) -> (scripts: [String], program: String) {
        var scripts: [String] = []
        var current = path
        while let line = try interpreterLine(of: current) {
            scripts.append(current)
            guard scripts.count <= 5 else {
                throw SystemError(.invalid, "\(path) leads through more than five interpreters: the kernel gives up")
            }
            guard !line.interpreter.isEmpty else {
                throw SystemError(.invalid, "\(current) has #! without an interpreter")
            }
            current = line.interpreter
            guard let command = commandOfEnv(line.interpreter, line.argument) else { continue }
            scripts.append(line.interpreter)
            guard let found = Self.command(command, in: commandPath) else {
                throw SystemError(
                    .notFound, "\(path) is run by '\(command)', which is not in PATH: set PATH as the workload has it")
            }
            current = found
        }
        return (scripts, current)
    }

    private static func interpreterLine(
        of path: String
    ) throws(SystemError) -> (interpreter: String, argument: String?)? {
        let file = try Descriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        guard try file.status(of: path).st_mode & S_IFMT == S_IFREG else {
            throw SystemError(.invalid, "\(path) is no regular file: name a program")
        }
        let start = try ELFFile.bytes(of: file, path: path, at: 0, count: 256)
        guard start.starts(with: Array("#!".utf8)) else { return nil }
        let line = start.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
        let words = String(decoding: line, as: UTF8.self).split(maxSplits: 1) { $0 == " " || $0 == "\t" }
        let argument = words.count > 1 ? trimmed(words[1]) : ""
        return (words.first.map(String.init) ?? "", argument.isEmpty ? nil : argument)
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while let last = text.last, last.isWhitespace { text.removeLast() }
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        return String(text)
    }

    /// `#!/usr/bin/env python3` and `#!/usr/bin/env -S A=b python3 -u`: the first word that is no option of env.
    private static func commandOfEnv(_ interpreter: String, _ argument: String?) -> String? {
        guard interpreter.split(separator: "/").last == "env", let argument else { return nil }
        guard argument.hasPrefix("-S") else { return argument.hasPrefix("-") ? nil : argument }
        return argument.dropFirst(2).split(separator: " ").first { !$0.hasPrefix("-") && !$0.contains("=") }
            .map(String.init)
    }

    /// A command as a shell finds it.
    package static func command(_ name: String, in path: String) -> String? {
        if name.contains("/") { return name }
        return path.split(separator: ":").lazy.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// Without symbolic links: `$ORIGIN` of a program is where it lies.
    private static func real(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    // MARK: Libraries

    /// Breadth first, as the loader does it.
    private mutating func load(_ search: LoaderSearch, _ interest: ELFInterest) {
        var loaded: Set<String> = []
        var waiting = [LoaderSearch.Requester(image: image)]
        // The loader is there before anything is asked for.
        if let loader = image.interpreter?.split(separator: "/").last { loaded.insert(String(loader)) }
        while !waiting.isEmpty {
            let requester = waiting.removeFirst()
            for name in requester.image.needed where loaded.insert(name).inserted {
                guard libraries.count + missing.count < Self.maximumLibraries else {
                    incomplete = "it needs more than \(Self.maximumLibraries) libraries; the rest was not looked at"
                    return
                }
                let paths = search.candidates(for: name, requester: requester, isSecure: isSecure)
                guard let found = Self.first(paths, image, interest) else {
                    missing.append(Missing(name: name, neededBy: requester.image.path))
                    continue
                }
                if let soname = found.soname { loaded.insert(soname) }
                libraries.append(Library(name: name, image: found, neededBy: requester.image.path))
                waiting.append(
                    LoaderSearch.Requester(
                        image: found, inherited: search.rpath(of: requester.image) + requester.inherited))
            }
        }
    }

    /// The loader goes on past a file of another class or machine.
    private static func first(_ paths: [String], _ program: ELFImage, _ interest: ELFInterest) -> ELFImage? {
        for path in paths {
            if let image = try? ELFImage(reading: path, interest), image.isNative { return image }
        }
        return nil
    }
}
