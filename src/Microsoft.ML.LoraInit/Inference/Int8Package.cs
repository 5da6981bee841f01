using System.Reflection;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>What scores a trained model in 8 bits. It lies in a package of its own, which brings ONNX Runtime.</summary>
internal interface IInt8Package
{
    /// <param name="model">The model, whose weights are merged and rounded.</param>
    /// <param name="options">Threads and tokens a batch.</param>
    /// <exception cref="InvalidOperationException">ONNX Runtime's native library is missing.</exception>
    IRowScorer Create(FineTunedModel model, PredictorOptions options);
}

/// <summary>Says which type of an assembly is its <see cref="IInt8Package"/>.</summary>
/// <param name="type">It has a constructor without parameters.</param>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class Int8PackageAttribute(Type type) : Attribute
{
    /// <summary>The name of the package, and of its assembly.</summary>
    public const string Name = "Microsoft.ML.LoraInit.OnnxRuntime";

    public Type Type => type;

    /// <summary>Finds it when it is first wanted: nothing refers to it from here, so that programs without it need no ONNX Runtime.</summary>
    /// <exception cref="InvalidOperationException">It is not there.</exception>
    public static IInt8Package Find(string name = Name)
    {
        try
        {
            return Assembly.Load(name).GetCustomAttribute<Int8PackageAttribute>() is { } found
                ? (IInt8Package)Activator.CreateInstance(found.Type)!
                : throw new InvalidOperationException($"The assembly {name} is of another version than Microsoft.ML.LoraInit: reference the packages of one version.");
        }
        catch (Exception e) when (e is FileNotFoundException or FileLoadException)
        {
            throw new InvalidOperationException($"ScoringOptions.Int8 needs the package {name}; add it to the application, and Microsoft.ML.OnnxRuntime with it.", e);
        }
    }
}
