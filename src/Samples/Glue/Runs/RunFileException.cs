namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>A file or folder of results that cannot be used; the message starts with its path.</summary>
internal sealed class RunFileException(string path, string what, Exception? inner = null) : IOException($"{path} {what}", inner);
