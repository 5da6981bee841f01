using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.LoraInit.Cuda.Native;

/// <summary>NVIDIA's compiler at run time, which comes with libtorch: CUDA C++ in, machine code or PTX out.</summary>
internal sealed unsafe class Nvrtc
{
    private static readonly Lazy<(Nvrtc? Compiler, string? Why)> Loaded = new(Load);
    private static readonly string[] SharedNames =
        ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"];

    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> _create;
    private readonly delegate* unmanaged<nint, int, byte**, int> _compile;
    private readonly delegate* unmanaged<nint*, int> _destroy;
    private readonly delegate* unmanaged<nint, nuint*, int> _logSize, _codeSize, _ptxSize;
    private readonly delegate* unmanaged<nint, byte*, int> _log, _code, _ptx;
    private readonly delegate* unmanaged<int*, int> _architectureCount, _architectures;

    private Nvrtc(FunctionTable table)
    {
        _create = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)table["nvrtcCreateProgram"];
        _compile = (delegate* unmanaged<nint, int, byte**, int>)table["nvrtcCompileProgram"];
        _destroy = (delegate* unmanaged<nint*, int>)table["nvrtcDestroyProgram"];
        _logSize = (delegate* unmanaged<nint, nuint*, int>)table["nvrtcGetProgramLogSize"];
        _log = (delegate* unmanaged<nint, byte*, int>)table["nvrtcGetProgramLog"];
        _codeSize = (delegate* unmanaged<nint, nuint*, int>)table["nvrtcGetCUBINSize"];
        _code = (delegate* unmanaged<nint, byte*, int>)table["nvrtcGetCUBIN"];
        _ptxSize = (delegate* unmanaged<nint, nuint*, int>)table["nvrtcGetPTXSize"];
        _ptx = (delegate* unmanaged<nint, byte*, int>)table["nvrtcGetPTX"];
        _architectureCount = (delegate* unmanaged<int*, int>)table["nvrtcGetNumSupportedArchs"];
        _architectures = (delegate* unmanaged<int*, int>)table["nvrtcGetSupportedArchs"];
    }

    /// <summary>The compiler, or null and why.</summary>
    public static Nvrtc? TryGet(out string? why)
    {
        var (compiler, reason) = Loaded.Value;
        why = reason;
        return compiler;
    }

    /// <summary>Compiles for one architecture, or to PTX for the driver where the compiler is older than the device.</summary>
    /// <param name="name">What the compiler's messages call the source.</param>
    /// <param name="source">CUDA C++.</param>
    /// <param name="defines">Macros, each a name or <c>name=value</c>.</param>
    /// <param name="architecture">90 for compute capability 9.0.</param>
    /// <returns>Machine code, or PTX with a zero at its end.</returns>
    /// <exception cref="InvalidOperationException">The source does not compile; the message holds the compiler's.</exception>
    public byte[] Compile(string name, string source, IEnumerable<string> defines, int architecture)
    {
        var known = Architectures().Where(a => a <= architecture).DefaultIfEmpty(0).Max();
        if (known == 0)
            throw new InvalidOperationException($"NVRTC compiles for no architecture as old as sm_{architecture}.");
        bool exact = known == architecture;
        string[] options = ["--std=c++17", $"--gpu-architecture={(exact ? "sm" : "compute")}_{known}", .. defines.Select(d => "-D" + d)];

        nint program;
        fixed (byte* text = Terminated(source), title = Terminated(name))
            Check(_create(&program, text, title, 0, null, null), "takes the source", name);
        var strings = options.Select(o => Marshal.StringToCoTaskMemUTF8(o)).ToArray();
        try
        {
            int code;
            fixed (nint* pointers = strings)
                code = _compile(program, strings.Length, (byte**)pointers);
            if (code != 0)
                throw new InvalidOperationException($"NVRTC does not compile {name} with {string.Join(' ', options)} (error {code}): {Log(program)}");
            return exact ? Read(program, _codeSize, _code, name) : Read(program, _ptxSize, _ptx, name);
        }
        finally
        {
            Array.ForEach(strings, Marshal.FreeCoTaskMem);
            _ = _destroy(&program);
        }
    }

    private int[] Architectures()
    {
        int count;
        Check(_architectureCount(&count), "counts its architectures", "");
        var all = new int[count];
        fixed (int* first = all)
            Check(_architectures(first), "names its architectures", "");
        return all;
    }

    private string Log(nint program)
    {
        nuint size;
        if (_logSize(program, &size) != 0 || size <= 1)
            return "it says nothing.";
        var log = new byte[size];
        fixed (byte* first = log)
            return _log(program, first) == 0 ? Encoding.UTF8.GetString(log).TrimEnd('\0', '\n') : "its log cannot be read.";
    }

    private static byte[] Read(nint program, delegate* unmanaged<nint, nuint*, int> size, delegate* unmanaged<nint, byte*, int> read, string name)
    {
        nuint count;
        Check(size(program, &count), "gives its result's size", name);
        var result = new byte[count];
        fixed (byte* first = result)
            Check(read(program, first), "gives its result", name);
        return result;
    }

    private static byte[] Terminated(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private static void Check(int code, string doing, string name)
    {
        if (code != 0)
            throw new InvalidOperationException($"NVRTC fails where it {doing} {name} (error {code}).");
    }

    private static (Nvrtc?, string?) Load()
    {
        if (!OperatingSystem.IsLinux())
            return (null, "NVRTC is looked for on Linux only");
        foreach (var candidate in Candidates())
        {
            // The compiler loads this by name, which finds it in any folder once it is loaded.
            if (Path.GetDirectoryName(candidate) is { Length: > 0 } folder)
                foreach (var builtins in Directory.EnumerateFiles(folder, "libnvrtc-builtins*.so*"))
                    _ = NativeLibrary.TryLoad(builtins, out _);
            if (!NativeLibrary.TryLoad(candidate, out nint library))
                continue;
            var table = new FunctionTable(candidate, library);
            var compiler = new Nvrtc(table);
            return table.Missing is null ? (compiler, null) : (null, table.Missing);
        }
        return (null, "libnvrtc is neither beside libtorch_cuda.so nor on the library path");
    }

    /// <summary>Loaded already, beside libtorch, in the folders of NVIDIA's Python packages, else by name.</summary>
    private static IEnumerable<string> Candidates()
    {
        if (LoadedLibraries.Find("libnvrtc.so") is { } loaded)
            yield return loaded;
        var folders = new List<string>();
        if (Path.GetDirectoryName(LoadedLibraries.Find("libtorch_cuda.so")) is { } torch)
        {
            folders.Add(torch);
            var packages = Path.GetFullPath(Path.Combine(torch, "..", "..", "nvidia"));
            if (Directory.Exists(packages))
                folders.AddRange(Directory.EnumerateDirectories(packages).Select(p => Path.Combine(p, "lib")).Where(Directory.Exists));
        }
        if (Path.GetDirectoryName(LoadedLibraries.Find("libcudart")) is { } runtime)
            folders.Add(runtime);
        foreach (var folder in folders.Distinct())
            foreach (var file in Directory.EnumerateFiles(folder, "libnvrtc*.so*").Order(StringComparer.Ordinal))
                if (!file.Contains("builtins", StringComparison.Ordinal) && !file.Contains("alt", StringComparison.Ordinal))
                    yield return file;
        foreach (var name in SharedNames)
            yield return name;
    }
}
