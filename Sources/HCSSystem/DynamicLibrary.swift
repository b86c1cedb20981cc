internal import Glibc

/// A shared library opened at run time, closed once. Never linked: whatever it is, the program starts without it.
package struct DynamicLibrary: ~Copyable {
    package enum Binding: Sendable {
        /// All symbols now, visible to nobody else.
        case nowLocal
        /// Huawei's and Cambricon's own programs open their libraries so; parts of these find each other by name.
        case lazyGlobal
    }

    /// The handle for `dlsym`; valid as long as the library.
    package let handle: UnsafeMutableRawPointer
    /// The name it was opened by.
    package let name: String

    /// Opens a soname by the loader's search, or an absolute path.
    /// - Throws: `notFound` where there is no such file, `invalid` with the loader's words for one that does not load.
    package init(_ name: String, _ binding: Binding = .nowLocal) throws(SystemError) {
        let flags =
            switch binding {
            case .nowLocal: RTLD_NOW | RTLD_LOCAL
            case .lazyGlobal: RTLD_LAZY | RTLD_GLOBAL
            }
        guard let handle = dlopen(name, flags) else {
            let text = dlerror().map { String(cString: $0) } ?? "\(name): does not open"
            // glibc has the same words for a library and for one that it needs; only the first is absence.
            let isAbsent = text.hasPrefix("\(name): cannot open shared object file: No such file or directory")
            throw SystemError(isAbsent ? .notFound : .invalid, text)
        }
        self.handle = handle
        self.name = name
    }

    /// The address of a symbol, or nil.
    package func symbol(_ name: String) -> UnsafeMutableRawPointer? { dlsym(handle, name) }

    /// The file a symbol was loaded from, as the kernel maps it; nil where there is no such symbol.
    package func path(of symbol: String) -> String? {
        guard let pointer = dlsym(handle, symbol) else { return nil }
        let address = UInt(bitPattern: pointer)
        return try? MemoryMapping.own().first { $0.start <= address && address < $0.end }?.path
    }

    deinit { dlclose(handle) }
}
