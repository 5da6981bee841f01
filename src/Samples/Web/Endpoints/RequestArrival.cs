using Microsoft.AspNetCore.Http.Features;

namespace Microsoft.ML.LoraInit.Samples.Web.Endpoints;

/// <summary>
/// Takes a request's body in before anything is done with it. Endpoints read bodies without regard for a request's timeout, so that a client which
/// sends just fast enough for the server would hold a request for minutes.
/// </summary>
internal static class RequestArrival
{
    public static async Task Run(HttpContext context, RequestDelegate next)
    {
        if (context.Features.Get<IHttpRequestBodyDetectionFeature>() is not { CanHaveBody: true })
        {
            await next(context);
            return;
        }
        // At most WebSample.MaxRequestBytes, which the server sees to.
        using var body = new MemoryStream();
        try
        {
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        }
        catch (BadHttpRequestException e)
        {
            context.Response.StatusCode = e.StatusCode;
            return;
        }
        body.Position = 0;
        context.Request.Body = body;
        await next(context);
    }
}
