namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>A model file that an option or an argument names.</summary>
internal static class SavedModelFile
{
    /// <summary>What <c>mlContext.Model.Load</c> returns for it; the caller disposes of it.</summary>
    /// <exception cref="InvalidDataException">It is no such file, or a damaged one; the message names it.</exception>
    public static ITransformer Load(string path)
    {
        try
        {
            return new MLContext().Model.Load(path, out _);
        }
        catch (FormatException e)
        {
            // What ML.NET says of a file that is no archive names neither the file nor what it should be.
            throw new InvalidDataException($"'{path}' is no model that mlContext.Model.Save wrote, or a part of one: {e.Message.TrimEnd('.')}.", e);
        }
    }
}
