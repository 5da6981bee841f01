namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>Writes model files that a service may be reading.</summary>
internal static class ModelFiles
{
    /// <summary>Writes beside the file and moves the result over it: a reader finds the old model or the new one, never half of one.</summary>
    public static void Save(MLContext ml, ITransformer model, DataViewSchema schema, string path)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                ml.Model.Save(model, schema, stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
