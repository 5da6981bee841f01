using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// A trained model whose bottlenecks take part in an <see cref="AdapterFusionMethod"/>: one that <see cref="PfeifferMethod"/> trained. Made of a
/// model by <c>model.ToFusionSource(name)</c>, or of a file.
/// </summary>
/// <remarks>Immutable, and holds no native memory: the model that it was made of may be disposed. Compares by value.</remarks>
public sealed class FusionSource : IEquatable<FusionSource>
{
    internal FusionSource(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        Name = name;
    }

    /// <summary>What reports and errors call it.</summary>
    public string Name { get; }

    /// <summary>The saved model that it is read from when a trainer is made; null where the bottlenecks are known.</summary>
    public string? Path { get; private init; }

    /// <summary>Inner width of the bottlenecks; null where the file was not read yet.</summary>
    public int? Size { get; internal init; }

    /// <summary>How many of the first layers have none; null where the file was not read yet.</summary>
    public int? Skip { get; internal init; }

    /// <summary>SHA-256 of the bottlenecks' names and numbers, in lower-case hexadecimal; null where the file was not read yet.</summary>
    public string? Sha256 { get; internal init; }

    /// <summary>The bottlenecks; null where the file was not read yet, and where the source is known from a fused model alone.</summary>
    internal Bottlenecks? Content { get; private init; }

    /// <summary>A model that <c>mlContext.Model.Save</c> wrote. It is read, and what is wrong with it told, when a trainer is made.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">What to call the source; null for the file's name without its ending.</param>
    public static FusionSource FromFile(string path, string? name = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return new(name ?? System.IO.Path.GetFileNameWithoutExtension(path)) { Path = path };
    }

    /// <param name="name">What to call it.</param>
    /// <param name="state">The model; stays the caller's.</param>
    /// <exception cref="NotSupportedException">The model has other bottlenecks than fusion is made for, or none.</exception>
    internal static FusionSource Of(string name, FineTunedState state)
    {
        if (state.Method is not PfeifferMethod method)
            throw new NotSupportedException($"The source '{name}' was trained by the method '{state.Method.Name}', and fusion takes the bottlenecks of 'pfeiffer' alone: train it with FineTuningMethod.Pfeiffer().");
        var numbers = method.Bottlenecks.Layout(state.Config).ToDictionary(t => t.Name, t => state.Tensors[t.Name].data<float>().ToArray(), StringComparer.Ordinal);
        return new(name)
        {
            Size = method.Size,
            Skip = method.Skip,
            Sha256 = Hash(numbers),
            Content = new(state.Base, state.Description.BaseQuantization, numbers),
        };
    }

    /// <summary>The source without its numbers.</summary>
    internal FusionSource Described => Content is null ? this : new(Name) { Size = Size, Skip = Skip, Sha256 = Sha256 };

    /// <inheritdoc/>
    public bool Equals(FusionSource? other) => other is not null && (Name, Path, Size, Skip, Sha256) == (other.Name, other.Path, other.Size, other.Skip, other.Sha256);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as FusionSource);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Path, Sha256);

    /// <summary>The name, and the file where it is still to be read.</summary>
    public override string ToString() => Path is null ? Name : $"{Name} ({Path})";

    private static string Hash(Dictionary<string, float[]> numbers)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, values) in numbers.OrderBy(t => t.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(name));
            hash.AppendData(MemoryMarshal.AsBytes<float>(values));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>What a source brings along.</summary>
    /// <param name="Base">The base that it was trained on.</param>
    /// <param name="Quantization">How that was held.</param>
    /// <param name="Numbers">Its tensors, by the names that they had in its model.</param>
    internal sealed record Bottlenecks(BaseIdentity Base, BaseQuantization Quantization, IReadOnlyDictionary<string, float[]> Numbers);
}
