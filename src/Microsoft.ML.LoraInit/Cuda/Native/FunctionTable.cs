using System.Runtime.InteropServices;

namespace Microsoft.ML.LoraInit.Cuda.Native;

/// <summary>Looks functions up and remembers the first that is missing.</summary>
internal sealed class FunctionTable(string name, params nint[] libraries)
{
    /// <summary>What is missing; null where all was found.</summary>
    public string? Missing { get; private set; }

    /// <summary>The first of the names that the library has.</summary>
    public nint this[params ReadOnlySpan<string> names]
    {
        get
        {
            nint found = Optional(names);
            if (found == 0)
                Missing ??= $"{name} has no function {names[0]}";
            return found;
        }
    }

    /// <summary>The first of the names that a library, or one that it needs, has; else 0.</summary>
    public nint Optional(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            foreach (nint library in libraries)
                if (NativeLibrary.TryGetExport(library, name, out nint address))
                    return address;
        return 0;
    }
}
