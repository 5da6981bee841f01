using System.Collections.Concurrent;
using Microsoft.ML.LoraInit.Cuda.Native;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>Kernels to compile together: source files in order, and the macros that make a variant of them.</summary>
/// <param name="Sources">Names of files in Kernels, without their extension, separated by blanks.</param>
/// <param name="Defines">Macros, separated by blanks.</param>
internal readonly record struct KernelProgram(string Sources, string Defines)
{
    private const string Prefix = "Microsoft.ML.LoraInit.Cuda.Kernels.";

    private static readonly ConcurrentDictionary<(KernelProgram Program, int Device), Lazy<nint>> Modules = new();
    private static readonly ConcurrentDictionary<(KernelProgram Program, int Device, string Kernel), nint> Functions = new();

    /// <summary>A variant for activations of a type.</summary>
    /// <exception cref="ArgumentException">There are no kernels for the type.</exception>
    public static KernelProgram For(ScalarType type, string sources, string defines = "") => type switch
    {
        ScalarType.BFloat16 => new(sources, defines.Length == 0 ? "ELEMENT_BF16" : "ELEMENT_BF16 " + defines),
        ScalarType.Float32 => new(sources, defines),
        _ => throw new ArgumentException($"The CUDA kernels are for BFloat16 and Float32, not {type}."),
    };

    /// <summary>A kernel, compiled at its first use in the process on the device. The device's context must be current.</summary>
    /// <exception cref="InvalidOperationException">It does not compile or load.</exception>
    public nint Function(CudaDriver driver, int device, string kernel)
    {
        if (Functions.TryGetValue((this, device, kernel), out nint known))
            return known;
        var program = this;
        nint module = Modules.GetOrAdd((this, device), _ => new Lazy<nint>(() => program.Load(driver, device))).Value;
        return Functions[(this, device, kernel)] = driver.Function(module, kernel);
    }

    /// <summary>The source text that the compiler gets.</summary>
    public string Source() => string.Join('\n', Sources.Split(' ').Select(Read));

    private nint Load(CudaDriver driver, int device)
    {
        var compiler = Nvrtc.TryGet(out var why) ?? throw new InvalidOperationException($"Kernels cannot be compiled: {why}.");
        var defines = Defines.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return driver.LoadModule(compiler.Compile(Sources.Replace(' ', '+') + ".cu", Source(), defines, driver.Architecture(device)));
    }

    private static string Read(string name)
    {
        using var stream = typeof(KernelProgram).Assembly.GetManifestResourceStream($"{Prefix}{name}.cu")
            ?? throw new InvalidOperationException($"The kernels '{name}' are not part of the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
