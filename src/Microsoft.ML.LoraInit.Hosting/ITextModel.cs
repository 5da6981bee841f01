namespace Microsoft.ML.LoraInit.Hosting;

/// <summary>A served model, whatever it predicts. All of them: <c>IEnumerable&lt;ITextModel&gt;</c> from the services.</summary>
public interface ITextModel
{
    /// <summary>The name that it was added by.</summary>
    string Name { get; }

    /// <summary>What serves, or null while no file could be loaded.</summary>
    ServedModelInfo? Current { get; }

    /// <summary>
    /// Why the file as it is now does not serve, in words that name no folder and so can be shown to anybody; null where it serves. While
    /// <see cref="Current"/> is not null the model before serves on. The log says more.
    /// </summary>
    string? Problem { get; }

    /// <summary>Waits until the file was looked at once; <see cref="Current"/> and <see cref="Problem"/> then say what became of it.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    Task WaitForFirstLoadAsync(CancellationToken cancellationToken = default);
}

/// <summary>A model that serves.</summary>
/// <param name="Version">The first 12 hexadecimal digits of <paramref name="Sha256"/>.</param>
/// <param name="Sha256">The file's SHA-256, in lower-case hexadecimal.</param>
/// <param name="SavedAt">When the file was written.</param>
/// <param name="LoadedAt">When it began to serve.</param>
/// <param name="Outputs">The names of the scores, such as the classes, in their order; empty where they have none.</param>
/// <param name="Engine">The type of the step that scores, such as <c>OnnxTextTransformer</c>; the pipeline's last step where none of this library is in it.</param>
public sealed record ServedModelInfo(
    string Version, string Sha256, DateTimeOffset SavedAt, DateTimeOffset LoadedAt, IReadOnlyList<string> Outputs, string Engine);
