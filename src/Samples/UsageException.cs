namespace Microsoft.ML.LoraInit.Samples;

/// <summary>The command line asks for something that cannot be; the message says what to give instead.</summary>
internal sealed class UsageException(string message, Exception? inner = null) : Exception(message, inner);
