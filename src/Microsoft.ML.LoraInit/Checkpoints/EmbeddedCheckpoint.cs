using System.Reflection;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>
/// The mini model in the package Microsoft.ML.LoraInit.Data.RobertaMini, found at run time so that the library does not
/// depend on it. Weights are read from the loaded assembly's memory, without a copy.
/// </summary>
internal sealed class EmbeddedCheckpoint : RobertaCheckpoint
{
    public const string MiniId = "mini";

    private const string Package = "Microsoft.ML.LoraInit.Data.RobertaMini";
    private const string DataType = "Microsoft.ML.LoraInit.Data.RobertaMiniData";

    private static readonly Lazy<string> Sha256 = new(() =>
    {
        using var weights = Resource()(CheckpointNames.Weights);
        return WeightsHash.Of(weights);
    });

    public override string Id => MiniId;

    internal override CheckpointFiles Open(IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var open = Resource();
        using var config = new StreamReader(open(CheckpointNames.Config));
        var weights = SafetensorsFile.Open(open(CheckpointNames.Weights), $"{MiniId}: {CheckpointNames.Weights}");
        return new CheckpointFiles(new BaseIdentity(MiniId, Sha256.Value), config.ReadToEnd(), name => name is CheckpointNames.Vocabulary or CheckpointNames.Merges ? open(name) : null, [weights]);
    }

    /// <summary>Opens a resource of the data package by its file name.</summary>
    /// <exception cref="InvalidOperationException">The package is not there.</exception>
    internal static Func<string, Stream> Resource(string package = Package)
    {
        Assembly assembly;
        try
        {
            assembly = Assembly.Load(package);
        }
        catch (FileNotFoundException exception)
        {
            throw new InvalidOperationException(
                $"RobertaCheckpoint.Mini is in the package {package}, which this application lacks. "
                + $"Add it (dotnet add package {package}), or choose RobertaCheckpoint.FromDirectory or FromHub.", exception);
        }
        var method = assembly.GetType(DataType)?.GetMethod("Open", BindingFlags.Public | BindingFlags.Static, [typeof(string)])
            ?? throw new InvalidOperationException($"The assembly {assembly.FullName} has no {DataType}.Open(string); use the version of the package that matches this library.");
        return method.CreateDelegate<Func<string, Stream>>();
    }
}
